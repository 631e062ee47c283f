"""Splits: reproducible, disjoint, and nothing of the unseen split is ever trained on."""

import json
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from dispatch.domain import default_doctrine, make_plans, parse_orders, render_instruction, run_checks
from dispatch.domain.checks import Candidate
from dispatch.domain.formulas import is_vague_place
from training.corpus import Pair, read_pairs
from training.synthesis import Lexicon, PairGenerator, write_splits
from training.synthesis.holdout import is_held_out_number

SIZE = 3000


@cache
def sample(unseen: bool) -> tuple[Pair, ...]:
    return tuple(islice(PairGenerator(Lexicon.load(), 7, unseen).pairs(), SIZE))


def stated_numbers(pair: Pair) -> set[tuple[str, int]]:
    """The (slot, value) pairs of numbers of 10 and more that a report states; bounds of vague words are no numbers."""
    situation = pair.situations[0]
    numbers = {(slot, bound) for slot, count in situation.people.items() for bound in (count.min, count.max or 0)}
    numbers |= {(slot, int(value)) for slot, value in situation.facts.items() if value is not True}
    numbers |= {("floor", int(value)) for name, value in situation.measures.items() if name == "floor"}
    numbers |= {(f"requested:{item.item}", int(item.count)) for item in situation.requested}
    return {(slot, value) for slot, value in numbers if value >= 10}


def is_vague(pair: Pair, slot: str, value: int) -> bool:
    """十几, 几十, 50多, 300多: the count is a word, and its bounds are multiples of ten or end in nine."""
    count = pair.situations[0].people.get(slot)
    return count is not None and count.max is not None and count.max > count.min and value % 10 in (0, 1, 9)


def test_stated_numbers_of_unseen_pairs_are_never_trained_on() -> None:
    trained = {number for pair in sample(False) for number in stated_numbers(pair)}
    tested = {
        (slot, value)
        for pair in sample(True)
        for slot, value in stated_numbers(pair)
        if not is_vague(pair, slot, value)
    }
    assert len(tested) > 30
    assert not tested & trained
    assert all(is_held_out_number(slot, value) for slot, value in tested)


def test_places_of_unseen_pairs_are_never_trained_on(tmp_path: Path) -> None:
    write_splits(tmp_path, SIZE, 7, held_pairs=SIZE // 2)
    trained = (tmp_path / "train.jsonl").read_text("utf-8")
    unseen = list(read_pairs(tmp_path / "unseen.jsonl"))
    assert not {pair.report for pair in unseen} & {pair.report for pair in read_pairs(tmp_path / "train.jsonl")}
    places = {pair.situations[0].location for pair in unseen} | {pair.context.location for pair in unseen}
    specific = {place for place in places if not is_vague_place(place)}
    assert len(specific) > SIZE / 3
    assert [place for place in specific if place in trained] == []


def test_the_seed_road_occurs_nowhere() -> None:
    for pair in (*sample(False), *sample(True)):
        assert "A7" not in json.dumps(pair.to_dict(), ensure_ascii=False)


def test_every_pair_is_what_doctrine_answers_and_reads_back() -> None:
    for pair in (*sample(False), *sample(True)):
        plans = make_plans(pair.situations, pair.context)
        assert pair.instruction == render_instruction(plans)
        read = [(o.agency, o.action, o.item, o.count, o.unit) for o in parse_orders(pair.instruction)]
        spoken = [(o.agency, o.action, o.item, o.count, o.unit) for plan in plans for o in plan.spoken()]
        assert read == spoken


def test_no_pair_carries_an_error() -> None:
    doctrine = default_doctrine()
    for pair in (*sample(False), *sample(True)):
        plans = make_plans(pair.situations, pair.context)
        candidate = Candidate(pair.report, pair.context, pair.situations, plans, pair.instruction, 1.0, False)
        assert not [check for check in run_checks(candidate, doctrine) if check.severity == "error"]


def test_a_location_is_a_span_of_the_report_or_is_the_context() -> None:
    for pair in (*sample(False), *sample(True)):
        location = pair.situations[0].location
        assert location in pair.report or location == pair.context.location


def test_the_hazards_are_balanced_and_every_rule_of_them_is_used() -> None:
    pairs = sample(False)
    for hazard in ("snow_road", "flood", "landslide", "building_fire"):
        of_hazard = [pair for pair in pairs if pair.situations[0].hazards == (hazard,)]
        assert 0.18 < len(of_hazard) / SIZE < 0.29
        said = {order.item for pair in of_hazard for order in parse_orders(pair.instruction)}
        named = {rule.item for rule in default_doctrine().hazards[hazard]}
        assert named <= said


def test_splits_are_disjoint_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    calls: list[int] = []
    report = write_splits(tmp_path / "a", 200, 3, held_pairs=50, progress=calls.append)
    write_splits(tmp_path / "b", 200, 3, held_pairs=50)
    reports: list[str] = []
    for split, size in (("train", 200), ("valid", 50), ("seen", 50), ("unseen", 50)):
        name = f"{split}.jsonl"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        pairs = list(read_pairs(tmp_path / "a" / name, strict=True))
        assert len(pairs) == size == report.total(split)
        reports += [pair.report for pair in pairs]
    assert len(set(reports)) == len(reports)
    assert calls[-1] == 350


def test_another_seed_gives_other_pairs() -> None:
    other = islice(PairGenerator(Lexicon.load(), 8, unseen=False).pairs(), 50)
    assert [pair.report for pair in other] != [pair.report for pair in sample(False)[:50]]


@pytest.mark.parametrize(("pairs", "held"), [(0, 5), (5, 0)])
def test_sizes_below_one_are_refused(tmp_path: Path, pairs: int, held: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        write_splits(tmp_path, pairs, 1, held_pairs=held)
