"""The benchmark of the loop goes through all of it, and says what falls short."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def corrections(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("corrections")


def test_the_whole_loop_runs_and_the_rollback_restores_every_byte(
    corrections: ModuleType, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--reviews", "30", "--replay", "20", "--rows", "1", "--changed-rows", "4", "--steps", "1"]
    code = corrections.main(["--out", str(tmp_path), "--bundle", str(tiny_bundle), *sizes])
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["rollback_restores_bytes"]
    assert figures["pairs"] == 30
    assert code == bool(corrections.failures(figures))
    assert "30 reviews" in capsys.readouterr().out


def test_a_reviewer_ends_the_flood_of_two_incidents_and_nothing_else(corrections: ModuleType) -> None:
    pairs = [next(pairs) for pairs in [corrections.floods("1:test")] for _ in range(30)]
    for pair in pairs:
        floods = sum(map(corrections.is_changed, pair.situations))
        assert corrections.revised(pair).instruction.count(corrections.CLAUSE) == floods > 0


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, []),
        ({"before": 0.1}, ["the changed slice was right before"]),
        ({"after": 0.949}, ["the changed slice was not learnt"]),
        ({"rollback_restores_bytes": False}, ["the rollback did not restore the old answers"]),
        ({"falls": True}, ["split:seen falls in instruction"]),
    ],
)
def test_what_falls_short_is_said(corrections: ModuleType, changes: dict[str, Any], missed: list[str]) -> None:
    shares = {"before": {"value": changes.get("before", 0.0)}, "after": {"value": changes.get("after", 0.95)}}
    figures = {
        "changed": {"changed": shares},
        "slices": [{"slice": "split:seen", "measure": "instruction", "falls": changes.get("falls", False)}],
        "promotion_changes_answers": True,
        "rollback_restores_bytes": changes.get("rollback_restores_bytes", True),
    }
    assert corrections.failures(figures) == missed
