"""The benchmark of the generator prints its table and writes the same figures as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def benchmark(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("synthesize")


def test_figures_are_printed_and_written(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    assert benchmark.main(["--pairs", "200", "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["pairs"] == 200
    assert set(figures["lengths"]) >= {"duty", "caller", "post"}
    assert figures["distinct_4_grams"] > 1000
    printed = capsys.readouterr().out
    assert "200 pairs" in printed
    assert "real posts" in printed


def test_percentiles_are_nearest_ranks(benchmark: ModuleType) -> None:
    assert benchmark.percentiles(range(100)) == (9, 49, 89)
    assert benchmark.percentiles([1, 2, 3]) == (1, 2, 3)
    assert benchmark.percentiles([7]) == (7, 7, 7)


def test_a_number_below_one_is_wrong_usage(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        benchmark.main(["--pairs", "0"])
    assert stopped.value.code == 2
    assert "at least 1" in capsys.readouterr().err
