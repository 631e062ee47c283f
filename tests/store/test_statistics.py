"""What a supervisor asks of the store, on both databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from dispatch.store import Decision, Instruction, Retention, Reviews, Statistics, Store

Draft = Callable[..., Instruction]
LEASE = timedelta(minutes=5)
THEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Reading:
    """A database of one connection, which is watched."""

    connection: Connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        yield self.connection


def decide(store: Store, name: str, action: str, reviewer: str = "王敏") -> None:
    reviews = Reviews(store.database)
    etag = reviews.claim(name, reviewer, LEASE).etag
    reviews.decide(Decision(name=name, action=action, reviewer=reviewer, etag=etag, text="派2台除雪车", reason="多了"))


def test_the_backlog_counts_what_waits_by_priority(store: Store, draft: Draft) -> None:
    first = store.save(draft(priority="特急", created_at=THEN, due_at=THEN))
    second = store.save(draft(priority="特急"))
    routine = store.save(draft(priority="一般"))
    decide(store, store.save(draft(priority="紧急")).name, "rejected")
    reviews = Reviews(store.database)
    reviews.claim(second.name, "王敏", LEASE)
    reviews.claim(routine.name, "王敏", timedelta(seconds=-1))
    urgent, other = Statistics(store.database).backlog()
    assert (urgent.priority, urgent.waiting, urgent.claimed, urgent.overdue) == ("特急", 1, 1, 1)
    assert urgent.oldest == first.created_at
    assert (other.priority, other.waiting, other.claimed, other.overdue) == ("一般", 1, 0, 0)


def test_what_was_erased_waits_for_nobody(store: Store, draft: Draft) -> None:
    name = store.save(draft(priority="特急", due_at=THEN)).name
    Retention(store.database).erase(name, actor="dpo", reason="request")
    assert Statistics(store.database).backlog() == []


def test_an_empty_store_has_no_backlog(store: Store) -> None:
    found = Statistics(store.database)
    assert (list(found.backlog()), list(found.decided(10)), list(found.reported(10))) == ([], [], [])


def test_the_last_decisions_come_with_what_they_were_about(store: Store, draft: Draft) -> None:
    names = [store.save(draft(priority="紧急", confidence=0.25)).name for _ in range(3)]
    for name, action in zip(names, ("approved", "revised", "rejected"), strict=True):
        decide(store, name, action)
    decided = Statistics(store.database).decided(2)
    assert [decision.action for decision in decided] == ["rejected", "revised"]
    assert {decision.reviewer for decision in decided} == {"王敏"}
    assert {decision.confidence for decision in decided} == {0.25}
    assert {decision.model for decision in decided} == {"default"}
    assert decided[0].situations == draft().situations
    assert decided[0].decided_at >= decided[0].created_at


def test_what_is_no_decision_about_a_draft_is_not_counted(store: Store, draft: Draft) -> None:
    name = store.save(draft()).name
    decide(store, name, "returned")
    assert list(Statistics(store.database).decided(10)) == []


def test_reports_are_told_by_their_length_alone(store: Store, draft: Draft) -> None:
    store.save(draft(report="早", created_at=THEN))
    store.save(draft(report="三人被困"))
    reported = Statistics(store.database).reported(10)
    assert [report.length for report in reported] == [4, 1]
    assert reported[0].checks == draft().checks
    assert [report.length for report in Statistics(store.database).reported(1)] == [4]


def test_all_of_it_is_read_by_indexes(sqlite_store: Store, draft: Draft) -> None:
    sqlite_store.save(draft())
    asked: list[str] = []
    with sqlite_store.database.reading() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(asked.append)
        try:
            found = Statistics(Reading(connection))  # type: ignore[arg-type]
            found.backlog()
            found.decided(10)
            found.reported(10)
        finally:
            raw.set_trace_callback(None)
        queries = [query for query in asked if query.startswith("SELECT")]
        for query in queries:
            plan = " ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan or "PRIMARY KEY" in plan
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan
            assert not plan.startswith("SCAN instructions ") or "INDEX" in plan
    assert len(queries) == 5
