from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dispatch.store import Decided, Reported, Store
from dispatch.workflow.oversight import (
    Drift,
    Overrides,
    Quality,
    Times,
    drift_of,
    overrides_of,
    quality_of,
    read_overview,
    times_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN = [{"code": "UNKNOWN_CHARACTERS"}]


def decided(
    action: str = "approved", *, reviewer: str = "王敏", waited_s: float = 60.0, hazards: tuple[str, ...] = ("flood",),
    day: int = 0, priority: str = "紧急", confidence: float = 0.5,
) -> Decided:  # fmt: skip
    created_at = NOON + timedelta(days=day)
    return Decided(
        action=action,
        reviewer=reviewer,
        decided_at=created_at + timedelta(seconds=waited_s),
        created_at=created_at,
        priority=priority,
        confidence=confidence,
        model="default",
        situations=[{"hazards": [hazard]} for hazard in hazards],
    )


def reported(length: int, day: int, checks: list[dict[str, str]] | None = None) -> Reported:
    return Reported(created_at=NOON + timedelta(days=day), length=length, checks=list(checks or []))


def test_times_are_told_by_priority() -> None:
    decisions = [decided(waited_s=seconds) for seconds in (10.0, 20.0, 30.0)] + [decided(priority="特急", waited_s=5.0)]
    assert times_of(decisions) == [Times("特急", 1, 5.0, 5.0), Times("紧急", 3, 20.0, 30.0)]


def test_overrides_are_what_was_not_approved_as_it_stood() -> None:
    decisions = [decided(), decided("revised"), decided("rejected"), decided(reviewer="李强")]
    found = overrides_of(decisions, lambda decision: [decision.reviewer])
    assert found == [Overrides("王敏", 3, 1, 1), Overrides("李强", 1, 0, 0)]
    assert [overrides.rate for overrides in found] == [pytest.approx(2 / 3), 0.0]


def test_quality_is_the_share_approved_as_drafted_by_day_and_model() -> None:
    decisions = [decided(confidence=0.8), decided("revised", confidence=0.4), decided(day=1, confidence=0.9)]
    assert quality_of(decisions) == [
        Quality(date(2026, 3, 2), "default", 1, 1.0, pytest.approx(0.9)),  # type: ignore[arg-type]
        Quality(date(2026, 3, 1), "default", 2, 0.5, pytest.approx(0.6)),  # type: ignore[arg-type]
    ]


def test_days_like_those_before_have_not_drifted() -> None:
    days = [reported(30 + at % 3, day) for day in range(3) for at in range(20)]
    assert [drift.drifted for drift in drift_of(days)] == [False, False, False]


@pytest.mark.parametrize(("length", "checks"), [(60, []), (15, []), (30, UNKNOWN)])
def test_longer_or_shorter_reports_or_unknown_characters_are_a_drift(length: int, checks: list[dict[str, str]]) -> None:
    days = [reported(30, 0) for _ in range(20)] + [reported(length, 1, checks) for _ in range(20)]
    latest, earlier = drift_of(days)
    assert latest == Drift(date(2026, 3, 2), 20, length, float(bool(checks)), True)
    assert not earlier.drifted


def test_a_day_with_few_reports_says_nothing() -> None:
    days = [reported(30, 0) for _ in range(20)] + [reported(300, 1)]
    assert not drift_of(days)[0].drifted


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


def test_of_an_empty_store_there_is_nothing_to_tell(store: Store) -> None:
    overview = read_overview(store)
    assert (list(overview.backlog), overview.decisions, overview.reports) == ([], 0, 0)
