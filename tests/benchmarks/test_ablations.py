"""The ablations train what they name, go on where they were, and say so in a table."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from training.batching import TokenBatches
from training.corpus import TokenizedCorpus
from training.synthesis import write_splits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ablations(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("ablations")


def test_each_variant_is_trained_once_and_stands_in_the_table(
    ablations: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits, out = tmp_path / "splits", tmp_path / "out"
    write_splits(splits, 20, seed=1, held_pairs=5)
    options = ["--out", str(out), "--splits", str(splits), "--tokens", "1", "--pairs", "20", "--rows", "2"]
    assert ablations.main([*options, "--only", "base"]) == 0
    held, free = capsys.readouterr().out.splitlines()[-2:]
    assert held.startswith("| base | 5,")
    assert free.startswith("| base, places not held to spans of the source | 5,")
    trained = (out / "base/result.json").stat().st_mtime_ns
    assert ablations.main([*options, "--only", "base"]) == 0
    assert (out / "base/result.json").stat().st_mtime_ns == trained
    assert set(json.loads((out / "ablations.json").read_text())) == {ablations.BASE, ablations.FREE_PLACES}


def test_a_curriculum_trains_on_the_same_batches_from_the_shortest_to_the_longest(
    ablations: ModuleType,
) -> None:
    lengths = [1 + 7 * number % 40 for number in range(60)]
    offsets = np.cumsum([0, *lengths])
    ids = np.zeros(offsets[-1], dtype=np.uint16)
    corpus = TokenizedCorpus(ids, offsets, ids, offsets, too_long=0, has_situations=False)
    rows = np.arange(len(corpus))
    shuffled = TokenBatches(corpus, rows, 400, 1, 0).epoch(0)[:6]
    ordered = ablations.ShortFirst(6, corpus, rows, 400, 1, 0).epoch(0)
    assert sorted(map(tuple, ordered)) == sorted(map(tuple, shuffled))
    longest = [int(corpus.source_lengths[batch].max()) for batch in ordered]
    assert longest == sorted(longest) != [int(corpus.source_lengths[batch].max()) for batch in shuffled]


def test_every_variant_differs_from_the_base_and_sees_as_many_tokens(ablations: ModuleType) -> None:
    chosen = ablations.variants(1_000_000)
    base = chosen.pop("base")
    for name, variant in chosen.items():
        assert variant != base, name
        assert variant.train.max_steps * variant.train.batch_tokens == pytest.approx(1e6 / ablations.FILL, rel=0.01)


def test_the_documented_rows_are_variants_of_so_many_updates(ablations: ModuleType) -> None:
    text = (ROOT / "docs/model.md").read_text("utf-8")
    chosen = ablations.variants(10_000_000)
    assert f"10 million tokens ({chosen['base'].train.max_steps:,} updates;" in text
    section = text.split("## What a choice is worth")[1]
    names = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
    assert names[0] == "variant"
    assert set(names[1:]) - {ablations.FREE_PLACES} <= set(chosen)
    command = next(line for line in section.splitlines() if line.startswith("make ablations"))
    _, asked = shlex.split(command)[1:]
    assert set(shlex.split(asked)[1:]) == set(names[1:]) - {ablations.FREE_PLACES}


def test_an_unknown_variant_is_answered_with_the_known_ones(
    ablations: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        ablations.main(["--out", str(tmp_path), "--only", "larger"])
    assert stopped.value.code == 2
    assert "6 encoder layers" in capsys.readouterr().err
