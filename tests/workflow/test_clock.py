"""The clock: alarms and escalations are told by one server, whatever becomes of the store and of whoever listens."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest

from dispatch.domain import PRIORITIES
from dispatch.store import Instruction, Reviews, Store, StoreError
from dispatch.workflow import Clock, ClockConfig, DueTimes, Tick, overdue

AT_ONCE = ClockConfig(escalate_after_s=0, interval_s=0.005)
LATER = ClockConfig(escalate_after_s=3600)
PATIENCE_S = 20.0
DRAFT = Instruction(
    report="B村塌方,3人被埋",
    context={},
    decoding={},
    prefix="",
    instruction="派2台挖掘机至B村",
    candidates=[],
    situations=[],
    plan=[],
    checks=[],
    confidence=1.0,
    model={"name": "scripted", "digest": "0"},
    doctrine="d",
    timings={},
    priority="特急",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


@pytest.fixture
def late(store: Store) -> Instruction:
    """Stored, and overdue."""
    return store.save(DueTimes(immediate_s=0.001).schedule(DRAFT))


def test_a_draft_is_due_by_its_priority() -> None:
    times = DueTimes(immediate_s=60, urgent_s=180, routine_s=900)
    due = [times.schedule(replace(DRAFT, priority=priority)) for priority in PRIORITIES]
    assert [each.due_at - each.created_at for each in due if each.due_at] == [
        timedelta(seconds=seconds) for seconds in (60, 180, 900)
    ]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: DueTimes(urgent_s=0), "urgent_s must be above 0"),
        (lambda: DueTimes(routine_s=float("nan")), "routine_s must be above 0"),
        (lambda: ClockConfig(escalate_after_s=-1), "escalate_after_s must be 0 or more"),
        (lambda: ClockConfig(interval_s=0), "interval_s must be above 0"),
    ],
)
def test_a_time_that_is_none_is_refused(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


def test_an_alarm_is_told_by_the_first_look_and_the_report_goes_out_at_a_later_one(
    store: Store, late: Instruction, caplog: pytest.LogCaptureFixture
) -> None:
    patient, impatient = Clock(store, LATER), Clock(store, AT_ONCE)
    told = Tick(alarmed=(late.name,), escalated=(), overdue=1)
    nothing = Tick(alarmed=(), escalated=(), overdue=1)
    assert [patient.tick(), patient.tick()] == [told, nothing]
    assert [impatient.tick(), impatient.tick()] == [replace(nothing, escalated=(late.name,)), nothing]
    assert [review.text for review in Reviews(store.database).decisions(limit=9)] == [late.report]
    lines = [(record.levelno, record.__dict__["instruction"]) for record in caplog.records]
    assert lines == [(logging.WARNING, late.name)] * 2
    assert late.report not in caplog.text
    assert [each.instruction for each in overdue(store)] == [late]


def test_at_one_look_nothing_is_both_told_of_and_given_out(store: Store, late: Instruction) -> None:
    clock = Clock(store, AT_ONCE)
    assert clock.tick() == Tick(alarmed=(late.name,), escalated=(), overdue=1)
    assert clock.tick() == Tick(alarmed=(), escalated=(late.name,), overdue=1)


def test_who_has_taken_it_in_time_is_left_alone(store: Store, late: Instruction) -> None:
    Reviews(store.database).claim(late.name, "li", timedelta(minutes=1))
    assert Clock(store, AT_ONCE).tick() == Tick(alarmed=(), escalated=(), overdue=0)


def test_after_a_restart_nothing_is_told_of_or_given_out_again(store: Store, late: Instruction) -> None:
    seen: SimpleQueue[Tick] = SimpleQueue()
    for _ in range(2):
        with Clock(store, AT_ONCE, seen.put).running():
            ticks = [seen.get(timeout=PATIENCE_S) for _ in range(4)]
        while not seen.empty():
            ticks.append(seen.get())
    assert len(Reviews(store.database).decisions(limit=9)) == 1
    assert all(tick == Tick(alarmed=(), escalated=(), overdue=1) for tick in ticks)


def test_a_lost_store_is_said_once_and_the_clock_goes_on_when_it_is_back(
    store: Store, late: Instruction, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: SimpleQueue[Tick] = SimpleQueue()
    failures = 3
    alarm = "dispatch.store.Overdue.alarm"

    def fail(self: object) -> list[str]:
        nonlocal failures
        failures -= 1
        if failures == 0:
            monkeypatch.undo()
        raise StoreError("lost")

    monkeypatch.setattr(alarm, fail)
    with Clock(store, AT_ONCE, seen.put).running():
        assert seen.get(timeout=PATIENCE_S).alarmed == (late.name,)
    assert caplog.text.count("the clock cannot use the store") == 1


def test_a_defect_of_who_listens_does_not_stop_the_clock(
    store: Store, late: Instruction, caplog: pytest.LogCaptureFixture
) -> None:
    seen: SimpleQueue[Tick] = SimpleQueue()

    def listen(tick: Tick) -> None:
        seen.put(tick)
        raise RuntimeError("a defect")

    with Clock(store, AT_ONCE, listen).running():
        assert seen.get(timeout=PATIENCE_S).alarmed == (late.name,)
        assert seen.get(timeout=PATIENCE_S).escalated == (late.name,)
    assert "the clock has failed; it goes on" in caplog.text
