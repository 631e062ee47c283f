"""Splits: reproducible, disjoint, and what a test file turns over is in no training text.

``python tests/training/synthesis/test_splits.py 200000`` proves the same on that many training pairs.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dispatch.domain import Situation
from dispatch.domain.places import is_vague_place
from training.corpus import PROGRESS_EVERY, read_pairs
from training.lint import bare_text
from training.synthesis import RECIPES, Lexicon, splits_in, write_splits
from training.synthesis.holdout import VAGUE_BOUNDS, Side, side_of_combination, side_of_entry, side_of_number
from training.synthesis.lexicon import Entries, leaves

TRAIN_PAIRS = 2000
HELD_PAIRS = 100
NUMBER_MEASURES = ("floor", "wind_level", "area_ha", "leak_tonnes")


def stated_numbers(situation: Situation) -> set[tuple[str, int]]:
    """The (slot, value) pairs of numbers of 10 and more that a report states; bounds of vague words are no numbers."""
    numbers = {(slot, bound) for slot, count in situation.people.items() for bound in (count.min, count.max or 0)}
    numbers |= {(slot, int(value)) for slot, value in situation.facts.items() if value is not True}
    numbers |= {(slot, int(v)) for slot, v in situation.measures.items() if slot in NUMBER_MEASURES and v == int(v)}
    numbers |= {(f"requested:{item.item}", int(item.count)) for item in situation.requested}
    return {(slot, value) for slot, value in numbers if value >= 10 and value not in VAGUE_BOUNDS}


def combinations(situation: Situation) -> set[tuple[str, str]]:
    return {(hazard, need) for hazard in situation.hazards for need in situation.needs}


def telling_phrasings(lexicon: Lexicon, side: Side) -> set[str]:
    """Texts that entries of a held-out side make and no other entry does: six characters or more, without slots."""
    parts = (lexicon.facts, lexicon.frames, lexicon.other)
    every: list[Entries] = [entries for part in parts for _, entries in leaves(part)]
    held = [entry for entries in every for entry in entries.held_out if side_of_entry(entry.text) == side]
    known = [entry for entries in every for entry in entries if entry not in held]
    said = "\n".join(phrasing for template in known for phrasing in template.phrasings())
    texts = {text for template in held for text in template.phrasings() if len(text) >= 6 and "{" not in text}
    return {text for text in texts if text not in said}


def prove_disjoint(folder: Path, train_pairs: int, held_pairs: int) -> None:
    """Asserts of the files in a folder that no test file's own thing is anywhere in training."""
    splits = {split: list(read_pairs(folder / f"{split}.jsonl", strict=True)) for split in RECIPES}
    for split, pairs in splits.items():
        assert len(pairs) == (train_pairs if split == "train" else held_pairs), split
    reports = [bare_text(pair.report) for pairs in splits.values() for pair in pairs]
    assert len(set(reports)) == len(reports)
    assert not [pair for pairs in splits.values() for pair in pairs if "A7" in f"{pair.report}{pair.context}"]

    def situations(split: str) -> Iterator[Situation]:
        return (situation for pair in splits[split] for situation in pair.situations)

    for split, recipe in RECIPES.items():
        for situation in situations(split):
            numbers, combined = stated_numbers(situation), combinations(situation)
            assert {side_of_number(*number) for number in numbers} <= {recipe.sides.numbers}, situation
            assert {side_of_combination(*pair) for pair in combined} <= {"known", recipe.sides.combinations}, situation
    for pair in splits["unseen_numbers"]:  # what is no request may be told in a request's clauses, numbers and all
        assert pair.situations[0].kind != "request" or any(stated_numbers(s) for s in pair.situations), pair
    for pair in splits["unseen_combinations"]:
        assert any(side_of_combination(*c) == "test" for situation in pair.situations for c in combinations(situation))

    trained = "\n".join((folder / "train.jsonl").read_text("utf-8").splitlines())
    for split in ("unseen", "unseen_places"):
        places = {pair.context.location for pair in splits[split]} | {s.location for s in situations(split)}
        specific = {place for place in places if not is_vague_place(place)}
        assert len(specific) > held_pairs / 2
        assert [place for place in specific if place in trained] == []
    lexicon = Lexicon.load()
    telling, validated = telling_phrasings(lexicon, "test"), telling_phrasings(lexicon, "validation")
    assert len(telling) > 100
    assert [text for text in telling | validated if text in trained] == []
    phrased, validation = (
        "\n".join(pair.report for pair in splits[name]) for name in ("unseen_phrasings", "valid_unseen")
    )
    assert sum(text in phrased for text in telling) > min(held_pairs, len(telling)) / 4
    assert [text for text in telling if text in validation] == []
    assert [text for text in validated if text in phrased] == []


def test_no_test_file_shares_its_own_thing_with_training(tmp_path: Path) -> None:
    write_splits(tmp_path, TRAIN_PAIRS, 7, held_pairs=HELD_PAIRS)
    prove_disjoint(tmp_path, TRAIN_PAIRS, HELD_PAIRS)


def test_the_same_seed_gives_the_same_bytes_and_the_report_counts_the_pairs(tmp_path: Path) -> None:
    calls: list[int] = []
    report = write_splits(tmp_path / "a", 200, 3, held_pairs=20, on_progress=calls.append)
    write_splits(tmp_path / "b", 200, 3, held_pairs=20)
    assert set(report.files) == set(RECIPES)
    for split in RECIPES:
        name = f"{split}.jsonl"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert report.total(split) == (200 if split == "train" else 20)
    assert calls[-1] == 200 + 20 * (len(RECIPES) - 1)


def test_a_longer_training_file_begins_like_a_shorter_one(tmp_path: Path) -> None:
    for name, size in (("short", 50), ("long", 80)):
        write_splits(tmp_path / name, size, 3, held_pairs=5)
    short, longer = ((tmp_path / name / "train.jsonl").read_bytes() for name in ("short", "long"))
    assert longer.startswith(short)


def test_valid_and_seen_do_not_depend_on_the_size_of_train(tmp_path: Path) -> None:
    for name, size in (("short", 50), ("long", 80)):
        write_splits(tmp_path / name, size, 3, held_pairs=5)
    for split in ("valid", "seen"):
        short, longer = ((tmp_path / name / f"{split}.jsonl").read_bytes() for name in ("short", "long"))
        assert short == longer


def test_the_makefile_measures_every_test_file() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (splits,) = re.findall(r"^SPLITS *:= *(.+)$", makefile, re.M)
    assert set(splits.split()) == set(RECIPES) - {"train", "valid", "valid_unseen"}


@pytest.mark.parametrize(("pairs", "held"), [(0, 5), (5, 0)])
def test_sizes_below_one_are_refused(tmp_path: Path, pairs: int, held: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        write_splits(tmp_path, pairs, 1, held_pairs=held)


class Stopped(Exception):
    pass


def stop_in_train(written: int) -> None:
    """Progress that ends the work amid the training pairs."""
    raise Stopped


@pytest.mark.parametrize("before", [{}, {"train.jsonl": "old\n", "unseen.jsonl": "old\n"}], ids=["empty", "full"])
def test_work_that_ends_early_leaves_the_folder_as_it_was(tmp_path: Path, before: dict[str, str]) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(Stopped):
        write_splits(tmp_path, PROGRESS_EVERY, 3, held_pairs=1, on_progress=stop_in_train)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_no_file_has_its_name_before_all_are_whole(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    write_splits(
        tmp_path,
        PROGRESS_EVERY,
        3,
        held_pairs=1,
        on_progress=lambda _: seen.append({path.name for path in tmp_path.iterdir()}),
    )
    amid, at_the_end = seen
    assert amid == {f"{split}.jsonl.partial" for split in ("valid", "seen", "train")}
    assert at_the_end == {f"{split}.jsonl" for split in RECIPES}


def test_what_would_be_replaced_is_found(tmp_path: Path) -> None:
    assert splits_in(tmp_path / "none") == []
    (tmp_path / "train.jsonl").symlink_to("nowhere")
    (tmp_path / "train.json").touch()
    (tmp_path / "seen.jsonl.partial").touch()
    assert set(splits_in(tmp_path)) == {tmp_path / "train.jsonl", tmp_path / "seen.jsonl.partial"}


def test_a_folder_in_the_place_of_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "other_numbers.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match=r"other_numbers\.jsonl"):
        write_splits(tmp_path, 5, 1, held_pairs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["other_numbers.jsonl"]


def main(train_pairs: int) -> None:
    with TemporaryDirectory() as folder:
        write_splits(Path(folder), train_pairs, 1)
        prove_disjoint(Path(folder), train_pairs, 1000)
    print(f"{train_pairs:,} training pairs and {len(RECIPES) - 1} files of 1,000: disjoint")


if __name__ == "__main__":
    main(int(sys.argv[1]))
