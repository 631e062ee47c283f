"""Overdue: told of once and given out once, by whichever server, and only while nobody has it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from dispatch.domain import Order
from dispatch.store import Audit, Decision, Instruction, Overdue, Retention, Reviews, Store
from dispatch.store.records import utc_now

Make = Callable[..., Instruction]
MINUTE = timedelta(minutes=1)
AT_ONCE = NOW_EXPIRED = timedelta(0)
FIRE = Order("消防", "派", "冲锋舟", 2, "艘", "歙县")


@pytest.fixture
def overdue(store: Store) -> Overdue:
    return Overdue(store.database)


@pytest.fixture
def reviews(store: Store) -> Reviews:
    return Reviews(store.database)


@pytest.fixture
def late(draft: Make) -> Make:
    """Makes a draft of 特急 that should have been decided about."""

    def make(**changes: Any) -> Instruction:
        now = utc_now()
        return draft(**{"priority": "特急", "created_at": now - 2 * MINUTE, "due_at": now - MINUTE, **changes})

    return make


def test_what_is_overdue_is_told_of_once_and_later_goes_out_once(
    store: Store, overdue: Overdue, reviews: Reviews, late: Make
) -> None:
    saved = store.save(late(incident_id="i-1"))
    assert [(each.instruction, each.alarmed_at) for each in overdue.find(limit=9)] == [(saved, None)]
    assert overdue.escalate(AT_ONCE) == []  # nothing goes out that was not told of
    assert overdue.alarm() == [saved.name]
    assert overdue.alarm() == []
    assert overdue.escalate(MINUTE) == []
    assert overdue.escalate(AT_ONCE) == [saved.name]
    assert overdue.escalate(AT_ONCE) == overdue.alarm() == []
    (review,) = reviews.decisions(limit=9)
    assert (review.cursor, review.action, review.reviewer, review.orders) == (1, "escalated", "", ())
    assert (review.text, review.name, review.incident_id) == (saved.report, saved.name, "i-1")
    (listed,) = overdue.find(limit=9)
    assert listed.instruction == saved  # in the queue still, as it was
    assert listed.alarmed_at is not None
    assert listed.escalated_at == review.decided_at
    assert reviews.queue(limit=9).instructions == [saved]
    assert [step.action for step in Audit(store.database).events(subject=saved.name, limit=9)] == [
        "instruction.stored", "instruction.overdue", "instruction.escalated",
    ]  # fmt: skip
    assert Audit(store.database).verify().faults == ()


def test_what_is_less_urgent_or_not_due_or_never_due_is_no_alarm(store: Store, overdue: Overdue, late: Make) -> None:
    store.save_all([late(priority="紧急"), late(due_at=utc_now() + MINUTE), late(due_at=None)])
    assert (overdue.alarm(), overdue.find(limit=9), overdue.count()) == ([], [], 0)


def test_what_somebody_holds_is_no_alarm_until_the_claim_expires(
    store: Store, overdue: Overdue, reviews: Reviews, late: Make
) -> None:
    held, abandoned = store.save_all([late(), late()])
    reviews.claim(held.name, "li", MINUTE)
    reviews.claim(abandoned.name, "li", NOW_EXPIRED)
    assert overdue.count() == 1
    assert overdue.alarm() == [abandoned.name]
    reviews.claim(abandoned.name, "wang", MINUTE)
    assert overdue.escalate(AT_ONCE) == []
    reviews.release(abandoned.name, "wang")
    assert overdue.escalate(AT_ONCE) == [abandoned.name]


def test_who_held_it_can_still_decide_after_its_report_went_out(
    store: Store, overdue: Overdue, reviews: Reviews, late: Make
) -> None:
    saved = store.save(late())
    claimed = reviews.claim(saved.name, "li", NOW_EXPIRED)
    overdue.alarm()
    overdue.escalate(AT_ONCE)
    decision = Decision(name=saved.name, action="approved", reviewer="li", etag=claimed.etag, orders=[FIRE])
    assert reviews.decide(decision).review_state == "approved"
    assert [review.action for review in reviews.history(saved.name)] == ["escalated", "approved"]
    assert overdue.find(limit=9) == []


def test_what_is_returned_has_its_time_again_and_is_then_told_of_again(
    store: Store, overdue: Overdue, reviews: Reviews, late: Make
) -> None:
    name = store.save(late()).name
    overdue.alarm()
    overdue.escalate(AT_ONCE)
    approved = reviews.decide(
        Decision(name=name, action="approved", reviewer="li", etag=reviews.claim(name, "li", MINUTE).etag)
    )
    returned = reviews.decide(Decision(name=name, action="returned", reviewer="chief", etag=approved.etag))
    assert returned.due_at is not None
    assert timedelta(0) < returned.due_at - utc_now() <= MINUTE
    assert overdue.alarm() == []


def test_however_often_it_is_returned_it_has_as_much_time_as_at_first(
    store: Store, reviews: Reviews, draft: Make
) -> None:
    stored = utc_now() - timedelta(hours=3)
    name = store.save(draft(priority="特急", created_at=stored, due_at=stored + MINUTE)).name
    for _ in range(3):
        claimed = reviews.claim(name, "li", MINUTE)
        returned = reviews.decide(Decision(name=name, action="returned", reviewer="li", etag=claimed.etag))
        assert returned.due_at is not None
        assert returned.due_at == reviews.history(name)[-1].decided_at + MINUTE


def test_the_second_time_it_is_overdue_counts_as_the_first_did(
    store: Store, overdue: Overdue, reviews: Reviews, late: Make
) -> None:
    now = utc_now()
    name = store.save(late(created_at=now, due_at=now)).name  # no time at all, also when it is returned
    for _ in range(2):
        assert overdue.alarm() == [name]
        assert overdue.escalate(AT_ONCE) == [name]
        claimed = reviews.claim(name, "li", MINUTE)
        reviews.decide(Decision(name=name, action="returned", reviewer="li", etag=claimed.etag))
    assert [review.action for review in reviews.history(name)] == ["escalated", "returned"] * 2


def test_servers_that_look_at_once_do_it_once(store: Store, url: str, late: Make) -> None:
    names = {saved.name for saved in store.save_all([late() for _ in range(120)])}  # more than one commit takes
    # On SQLite one process alone writes; on PostgreSQL each server has connections of its own.
    stores = [store] * 4 if url.startswith("sqlite") else [store, *(Store.open(url) for _ in range(3))]
    servers = [Overdue(each.database) for each in stores]
    with ThreadPoolExecutor(4) as pool:
        alarmed = [name for done in pool.map(Overdue.alarm, servers) for name in done]
        escalated = [name for done in pool.map(Overdue.escalate, servers, [AT_ONCE] * 4) for name in done]
    assert (len(alarmed), set(alarmed)) == (len(names), names)
    assert (len(escalated), set(escalated)) == (len(names), names)
    assert [review.cursor for review in Reviews(store.database).decisions(limit=999)] == list(range(1, 121))
    for each in stores[1:]:
        each.close()


def test_what_was_erased_is_no_alarm(store: Store, overdue: Overdue, late: Make) -> None:
    name = store.save(late()).name
    Retention(store.database).erase(name, actor="dpo", reason="request")
    assert (overdue.alarm(), overdue.count()) == ([], 0)


def test_what_went_out_is_erased_with_the_rest(store: Store, overdue: Overdue, reviews: Reviews, late: Make) -> None:
    name = store.save(late()).name
    overdue.alarm()
    overdue.escalate(AT_ONCE)
    Retention(store.database).erase(name, actor="dpo", reason="request")
    assert [review.text for review in reviews.history(name)] == [""]
    assert Audit(store.database).verify().faults == ()


def test_a_look_reads_the_most_urgent_alone(sqlite_store: Store, late: Make) -> None:
    overdue, database = Overdue(sqlite_store.database), sqlite_store.database
    sqlite_store.save_all([late(priority=priority) for priority in ("特急", "一般")])
    overdue.alarm()
    asked: list[tuple[str, Any]] = []
    event.listen(database._reader, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    overdue.alarm()
    overdue.escalate(AT_ONCE)
    overdue.count()
    overdue.find(limit=9)
    queries = [(query, values) for query, values in asked if query.startswith("SELECT")]
    assert len(queries) == 2 * 5  # of what is pending, and of claims that have expired; one found something to do
    with database.reading() as connection:
        for query, values in queries:
            plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
            assert (
                "USING INDEX ix_instructions_review_state_urgency_created_at_id (review_state=? AND urgency=?" in plan
            )
            assert "SCAN" not in plan
            assert "TEMP B-TREE" not in plan
