"""The parity benchmark compares tokens, and fails where they differ too often."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def parity(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("parity")


def test_engines_that_agree_pass(
    parity: ModuleType, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "parity.json"
    sizes = ["--reports", "6", "--beam-reports", "2", "--alone", "2", "--batch-size", "4"]
    assert parity.main(["--bundle", str(tiny_bundle), *sizes, "--out", str(out)]) == 0
    assert "| greedy | ctranslate2 int8 | 6 |" in capsys.readouterr().out
    assert [run["strategy"] for run in json.loads(out.read_text())["runs"]] == ["greedy"] * 3 + ["beam"] * 3


def test_other_leads_are_measured_and_judged_by_nobody(
    parity: ModuleType, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--reports", "2", "--beam-reports", "0", "--alone", "0", "--sure", "0", "0.25"]
    assert parity.main(["--bundle", str(tiny_bundle), *sizes]) == 0
    assert "| greedy | ctranslate2 int8, sure 0.25 | 2 |" in capsys.readouterr().out
    run = {"strategy": "greedy", "engine": "ctranslate2 int8, sure 0", "same": 0.5, "alone": None}
    assert parity.failures({"runs": [run]}) == []


@pytest.mark.parametrize(
    ("engine", "same", "alone", "falls_short"),
    [
        ("ctranslate2 int8", 0.996, 1.0, False),
        ("ctranslate2 int8", 0.994, None, True),
        ("ctranslate2 float32", 0.999, 1.0, True),
        ("ctranslate2 float32", 1.0, 0.99, True),
    ],
)
def test_what_is_needed(parity: ModuleType, engine: str, same: float, alone: float | None, falls_short: bool) -> None:
    run = {"strategy": "greedy", "engine": engine, "same": same, "alone": alone}
    assert bool(parity.failures({"runs": [run, run | {"strategy": "beam", "same": 0.5}]})) == falls_short
