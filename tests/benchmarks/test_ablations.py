"""The ablations train what they name, go on where they were, and say so in a table."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from training.synthesis import write_splits


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
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| base | 5,")
    trained = (out / "base/result.json").stat().st_mtime_ns
    assert ablations.main([*options, "--only", "base"]) == 0
    assert (out / "base/result.json").stat().st_mtime_ns == trained
    assert set(json.loads((out / "ablations.json").read_text())) == {"base"}


def test_every_variant_differs_from_the_base_and_sees_as_many_tokens(ablations: ModuleType) -> None:
    chosen = ablations.variants(1_000_000)
    base = chosen.pop("base")
    for name, variant in chosen.items():
        assert variant != base, name
        assert variant.train.max_steps * variant.train.batch_tokens == pytest.approx(1e6 / ablations.FILL, rel=0.01)


def test_an_unknown_variant_is_answered_with_the_known_ones(
    ablations: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        ablations.main(["--out", str(tmp_path), "--only", "larger"])
    assert stopped.value.code == 2
    assert "6 encoder layers" in capsys.readouterr().err
