"""The benchmark of the console measures real pages of a real server."""

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from tests.e2e.browsing import chromium


def test_paints_claims_and_calls_are_measured(tiny_bundle: Path, load_benchmark: Callable[[str], ModuleType]) -> None:
    assert chromium() is not None, "there is no Chromium; Debian and Ubuntu have it in the package chromium"
    benchmark = load_benchmark("console")
    options = argparse.Namespace(bundle=tiny_bundle, rows=60, loads=2, rate=5.0, seconds=2.0)
    figures = asyncio.run(benchmark.measure(options))
    assert figures.rows == 60
    assert len(figures.first_row_s) == 2
    assert all(seconds > 0 for seconds in figures.first_row_s + figures.seen_s)
    assert sum(figures.calls.values()) > 0
    assert len(benchmark.table(figures).splitlines()) == 3


def test_what_misses_a_bar_is_named(load_benchmark: Callable[[str], ModuleType]) -> None:
    benchmark = load_benchmark("console")
    took = {"p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0, "max_ms": 1.0}
    good = benchmark.Figures(60, [0.5], [2.0], 50.0, {"OK": 10}, took)
    bad = benchmark.Figures(60, [1.5], [5.0], 50.0, {"OK": 9, "UNAVAILABLE": 1}, took)
    refused = benchmark.Figures(60, [0.5], [2.0], 50.0, {"OK": 9, "RESOURCE_EXHAUSTED OVERLOADED": 1}, took)
    unanswered = benchmark.Figures(60, [0.5], [2.0], 50.0, {"RESOURCE_EXHAUSTED OVERLOADED": 10}, took)
    assert benchmark.faults(good) == benchmark.faults(refused) == []
    assert len(benchmark.faults(unanswered)) == 1
    assert len(benchmark.faults(bad)) == 3
