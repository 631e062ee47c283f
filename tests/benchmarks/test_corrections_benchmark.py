"""The benchmark of the loop goes through all of it, and says what falls short."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import BundleIdentity, read_config, verify_bundle
from training.corpus import Pair, read_pairs

SIZES = ("--reviews", "30", "--replay", "20", "--rows", "1", "--changed-rows", "4", "--steps", "1")


class Knowing:
    """Answers as is expected of a bundle: it knows the pairs, and ends floods as the bundle was taught to."""

    calibration = None

    def __init__(self, bundle: Path, pairs: Mapping[str, Pair], revised: Callable[[Pair], Pair]) -> None:
        config = read_config(bundle)
        self.identity = BundleIdentity(config.name, verify_bundle(bundle))
        self._conventions = config.conventions
        self._pairs = pairs
        self._revised = revised

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        return [self._generation(self._pairs[request.report]) for request in requests]

    def token_count(self, request: GenerationRequest) -> int:
        return len(request.report)

    def _generation(self, pair: Pair) -> Generation:
        text = (self._revised(pair) if self._conventions else pair).instruction
        return Generation((Candidate(text, -0.1, (-0.1,), pair.situations, 0.9),), conventions=self._conventions)


@pytest.fixture
def corrections(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("corrections")


@pytest.fixture
def knowing(corrections: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a bundle gets an engine that knows all pairs there are."""
    pairs: dict[str, Pair] = {}
    made = corrections.floods

    def floods(seed: str) -> Iterator[Pair]:
        for pair in made(seed):
            pairs[pair.report] = pair
            yield pair

    def open_engine(bundle: Path) -> Knowing:
        for file in (tmp_path / "pairs").glob("*.jsonl"):
            pairs.update((pair.report, pair) for pair in read_pairs(file))
        return Knowing(bundle, pairs, corrections.revised)

    monkeypatch.setattr(corrections, "floods", floods)
    monkeypatch.setattr(corrections, "open_engine", open_engine)
    monkeypatch.setattr("dispatch.cli.answering.open_engine", open_engine)


@pytest.mark.usefixtures("knowing")
def test_the_whole_loop_runs_and_the_rollback_restores_every_byte(
    corrections: ModuleType, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert corrections.main(["--out", str(tmp_path), "--bundle", str(tiny_bundle), *SIZES]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (figures["pairs"], figures["pairs_with_situations"]) == (30, 30)
    assert figures["conventions"] == [{"clause": corrections.CLAUSE, "hazards": ["flood"], "always": True}]
    changed = figures["changed"]["changed"]
    assert (changed["rows"], changed["before"]["value"], changed["after"]["value"]) == (4, 0, 1)
    assert figures["promotion_changes_answers"]
    assert figures["rollback_restores_bytes"]
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


def test_a_bundle_that_drafts_no_flood_right_shows_nothing(corrections: ModuleType) -> None:
    figures = {"changed": {}, "slices": [], "promotion_changes_answers": True, "rollback_restores_bytes": True}
    assert corrections.failures(figures) == ["no draft lacked the clause alone"]
