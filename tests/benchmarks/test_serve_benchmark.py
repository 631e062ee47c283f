"""The benchmark of the service measures a real server, and says what does not keep to its bars."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.serving import overhead, overload, soak
from benchmarks.serving.generator import Outcome, answered_per_s, by_status, percentiles_ms
from benchmarks.serving.server import Sample

SIZES = {
    "overhead": ["--calls", "2", "--callers", "2", "--seconds", "0.5", "--rounds", "1", "--batch-size", "2"],
    "overload": ["--seconds", "1", "--peak-seconds", "4", "--deadline", "1"],
    "soak": ["--minutes", "0.02", "--callers", "2"],
}


@pytest.mark.parametrize("name", SIZES)
def test_every_part_of_it_measures_a_running_server(
    name: str, load_benchmark: Callable[[str], ModuleType], tiny_bundle: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "figures.json"
    common = ["--bundle", str(tiny_bundle), "--reports", "4", "--out", str(out)]
    code = load_benchmark("serve").main([name, *common, *SIZES[name]])
    found = json.loads(out.read_text())
    assert code == bool(found["faults"])
    assert (
        found["figures"].keys()
        >= {
            "overhead": {"greedy", "beam"},
            "overload": {"share_of_peak", "refusal", "health", "statuses"},
            "soak": {"growth", "left", "calls"},
        }[name]
    )
    assert capsys.readouterr().out.startswith("| ")


def outcome(code: str, seconds: float, reason: str = "", began: float = 0.0) -> Outcome:
    return Outcome(began, seconds, code, reason)


OPTIONS = overload.OverloadOptions(10.0, 1.0, 2.0, 10.0, "greedy", 1, 1)


def test_a_call_that_ran_into_its_deadline_counts_as_admitted_and_a_quick_refusal_does_not() -> None:
    outcomes = [outcome("OK", 1.0, began=5.0)] * 9
    outcomes += [outcome("DEADLINE_EXCEEDED", 2.0), outcome("DEADLINE_EXCEEDED", 0.01, "DEADLINE_UNREACHABLE")]
    outcomes += [outcome("RESOURCE_EXHAUSTED", 0.01, "OVERLOADED")]
    figures = overload._figures(outcomes, [outcome("SERVING", 0.1)], 0.0, OPTIONS)
    assert figures["in_time"] == 0.9
    assert figures["refusal"]["max_ms"] == 10.0
    assert figures["neither_answered_nor_refused"] == 0
    assert figures["statuses"]["DEADLINE_EXCEEDED DEADLINE_UNREACHABLE"] == 1


def test_overload_names_every_bar_that_is_not_met() -> None:
    figures: dict[str, Any] = {
        "share_of_peak": 0.79,
        "memory_mb": {"before": 100.0, "most": 130.0},
        "refusal": {"p99_ms": 51.0},
        "health": {"max_ms": 1001.0},
        "health_statuses": {"SERVING": 1},
        "in_time": 0.98,
        "neither_answered_nor_refused": 1,
        "statuses": {"INTERNAL": 1},
    }
    assert len(overload.faults(figures)) == 6
    figures |= {"share_of_peak": 0.8, "memory_mb": {"before": 100.0, "most": 120.0}, "refusal": {"p99_ms": None}}
    figures |= {"health": {"max_ms": 999.0}, "in_time": 0.99, "neither_answered_nor_refused": 0}
    assert overload.faults(figures) == []


def samples(memory: list[float]) -> list[Sample]:
    return [Sample(float(at), value, 10, 20, 1, 5, 1) for at, value in enumerate(memory)]


def test_growth_counts_from_when_the_server_was_warm() -> None:
    assert soak.growth(samples([100.0] * 10 + [200.0] * 30))["memory_mb"] == 0.0
    assert soak.growth(samples([200.0] * 20 + [220.0] * 20))["memory_mb"] == 0.1


def test_soak_names_what_is_left_what_grew_and_faults_of_the_server() -> None:
    idle = {"connections": 0, "calls": 0, "tasks": 4}
    figures: dict[str, Any] = {"growth": {"memory_mb": 0.04}, "idle": idle, "left": idle, "calls": {"ask OK": 3}}
    assert soak.faults(figures) == []
    figures |= {"growth": {"memory_mb": 0.06}, "left": {"connections": 1, "calls": 1, "tasks": 5}}
    figures |= {"calls": {"ask INTERNAL": 1}}
    assert len(soak.faults(figures)) == 5


def test_overhead_holds_each_strategy_to_its_bar() -> None:
    def of(p50: float, share: float) -> dict[str, Any]:
        return {"one_caller": {"overhead": {"p50_ms": p50}}, "saturated": {"share": share}}

    assert overhead.faults({"greedy": of(3.0, 0.75), "beam": of(9.0, 0.85)}) == []
    assert len(overhead.faults({"greedy": of(3.1, 0.74), "beam": of(3.0, 0.84)})) == 3


def test_figures_of_calls() -> None:
    outcomes = [outcome("OK", 1.0), outcome("OK", 3.0), outcome("UNAVAILABLE", 1.0, "SHUTTING_DOWN")]
    assert answered_per_s(outcomes, 0.0, 2.0) == 0.5
    assert by_status(outcomes) == {"OK": 2, "UNAVAILABLE SHUTTING_DOWN": 1}
    assert percentiles_ms([0.002])["p99_ms"] == 2.0
    assert percentiles_ms([])["p50_ms"] is None
