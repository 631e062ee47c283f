"""Erasure leaves no word of a person and the chain whole; holds and the floor keep what must be kept."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dispatch.domain import Order
from dispatch.store import (
    Audit,
    Decision,
    Instruction,
    NotFound,
    OnHold,
    RequestIdConflict,
    Retention,
    RetentionPolicy,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.store.digest import commitment
from dispatch.store.records import utc_now
from tests.store.postgres import Server

Make = Callable[..., Instruction]
Execute = Callable[[str], list[tuple[Any, ...]]]
DAY = timedelta(days=1)
SECRET = "张三13800138000"


@pytest.fixture
def retention(store: Store) -> Retention:
    return Retention(store.database)


def decided(store: Store, draft: Instruction) -> Instruction:
    """Stored, and revised with a secret in every place that has room for one."""
    saved, reviews = store.save(draft), Reviews(store.database)
    claimed = reviews.claim(saved.name, "li", timedelta(minutes=1))
    return reviews.decide(
        Decision(
            name=saved.name, action="revised", reviewer="li", etag=claimed.etag, text=f"去找{SECRET}", reason=SECRET,
            orders=[Order("消防", "派", SECRET, 1, "辆", SECRET)],
        )
    )  # fmt: skip


@pytest.fixture
def secret_draft(draft: Make) -> Make:
    def make(**changes: Any) -> Instruction:
        return draft(
            report=SECRET, context={"location": SECRET}, prefix=SECRET, instruction=SECRET,
            candidates=[{"text": SECRET}], situations=[{"location": SECRET}], plan=[{"place": SECRET}],
            checks=[{"message": SECRET}], **changes,
        )  # fmt: skip

    return make


def test_what_is_erased_is_nowhere_and_the_chain_is_whole(
    store: Store, retention: Retention, secret_draft: Make, execute: Execute
) -> None:
    before = decided(store, secret_draft(request_id="r-1", body_digest="guessable"))
    commitments = execute("SELECT commitment FROM requests")
    retention.erase(before.name, actor="dpo", reason="demand 17")
    after = store.get(before.name)
    assert after is not None
    assert (after.review_state, after.confidence, after.model) == ("revised", before.confidence, before.model)
    tables = ("requests", "instructions", "reviews", "orders", "audit_events")
    everything = str([execute(f"SELECT * FROM {table}") for table in tables])
    assert SECRET not in everything
    assert "guessable" not in everything
    assert execute("SELECT commitment FROM requests") == commitments
    assert execute("SELECT salt FROM requests") == [("",)]
    event = Audit(store.database).events(subject=before.name, limit=99)[-1]
    assert (event.actor, event.action, event.details) == ("dpo", "instruction.erased", {"reason": "demand 17"})
    assert Audit(store.database).verify().faults == ()
    retention.erase(before.name, actor="dpo", reason="again")
    assert Audit(store.database).head().seq == event.seq


def test_nothing_erased_is_left_in_the_files_of_sqlite(sqlite_store: Store, secret_draft: Make, database: Path) -> None:
    name = decided(sqlite_store, secret_draft()).name
    Retention(sqlite_store.database).erase(name, actor="dpo", reason="demand")
    sqlite_store.close()
    assert all(SECRET.encode() not in path.read_bytes() for path in database.parent.iterdir())


def test_an_erased_text_cannot_be_guessed_and_can_be_proven_by_whoever_kept_it(
    store: Store, retention: Retention, draft: Make, execute: Execute
) -> None:
    saved = store.save(draft())
    ((salt, recorded),) = execute("SELECT salt, commitment FROM requests")
    retention.erase(saved.name, actor="dpo", reason="demand")
    kept = {name: getattr(saved, name) for name in ("body_digest", "context", "prefix", "report")}
    assert commitment("requests", {**kept, "salt": salt}) == recorded
    assert commitment("requests", {**kept, "salt": "00" * 32}) != recorded


def test_text_put_back_into_an_erased_row_is_found(
    store: Store, retention: Retention, draft: Make, execute: Execute
) -> None:
    retention.erase(store.save(draft()).name, actor="dpo", reason="demand")
    execute("UPDATE requests SET report = '别的'")
    assert len(Audit(store.database).verify().faults) == 1


def test_an_erased_request_is_not_answered_again(store: Store, retention: Retention, draft: Make) -> None:
    saved = store.save(draft(request_id="r-1", body_digest="d"))
    retention.erase(saved.name, actor="dpo", reason="demand")
    with pytest.raises(RequestIdConflict):
        store.save(draft(request_id="r-1", body_digest="d"))
    assert Reviews(store.database).queue(limit=9).instructions == []
    with pytest.raises(StateConflict, match="erased"):
        Reviews(store.database).claim(saved.name, "li", DAY)


def test_clearing_takes_as_long_as_it_takes_and_nothing_after_it_does(postgres: Server) -> None:
    url = postgres.new_database()
    with closing(Store.open(url)) as store:
        store.database.forget()
        with store.database.reading() as connection:
            assert connection.scalar(text("SHOW statement_timeout")) == "1min"
    postgres.drop(url)


def test_a_hold_forbids_erasing_until_it_is_lifted(store: Store, retention: Retention, draft: Make) -> None:
    name = decided(store, draft(created_at=utc_now() - 400 * DAY)).name
    hold = retention.hold(name, actor="legal", reason="inquiry")
    with pytest.raises(OnHold):
        retention.erase(name, actor="dpo", reason="demand")
    assert retention.expire(RetentionPolicy(365)) == 0
    for _ in range(2):
        retention.lift(hold, actor="legal")
    assert retention.expire(RetentionPolicy(365)) == 1
    assert Audit(store.database).verify().faults == ()


def test_what_is_old_and_decided_expires(store: Store, retention: Retention, draft: Make) -> None:
    old = decided(store, draft(created_at=utc_now() - 400 * DAY))
    undecided = store.save(draft(created_at=utc_now() - 400 * DAY))
    young = decided(store, draft(created_at=utc_now() - 300 * DAY))
    assert retention.expire(RetentionPolicy(365), actor="timer") == 1
    assert retention.expire(RetentionPolicy(365)) == 0
    erased = {name: found.erased_at is not None for name in (old.name, undecided.name, young.name)
              if (found := store.get(name))}  # fmt: skip
    assert erased == {old.name: True, undecided.name: False, young.name: False}


def test_nobody_goes_below_the_floor() -> None:
    with pytest.raises(ValueError, match="at least 180 days, not 179"):
        RetentionPolicy(179)
    assert RetentionPolicy(30, floor_days=30).keep_days == 30


def test_names_of_nothing_are_refused(retention: Retention) -> None:
    with pytest.raises(NotFound):
        retention.erase("instructions/" + "0" * 32, actor="", reason="")
    with pytest.raises(NotFound):
        retention.hold("nonsense", actor="", reason="")
    with pytest.raises(NotFound):
        retention.lift("0", actor="")
