"""The audit trail: every step is in it, nothing in it changes, and whatever is tampered with is found."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from dispatch.store import Instruction, Store
from dispatch.store.audit import Audit
from dispatch.store.digest import GENESIS, PERSONAL, canonical, commitment, event_hash, new_salt, row_digest
from dispatch.store.schema import COVERED
from dispatch.store.transaction import ChainHead
from tests.store.postgres import Server

Make = Callable[..., Instruction]
Execute = Callable[[str], list[tuple[Any, ...]]]

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def audit(store: Store) -> Audit:
    return Audit(store.database)


def test_an_instruction_and_its_event_come_together(store: Store, audit: Audit, draft: Make) -> None:
    saved = store.save(draft(incident_id="i-1"), principal="cad")
    (event,) = audit.events(limit=10)
    assert (event.seq, event.actor, event.action, event.subject) == (1, "cad", "instruction.stored", saved.name)
    assert audit.head() == ChainHead(1, event.hash)
    assert audit.verify().faults == ()


def test_events_are_listed_by_subject_and_by_page(store: Store, audit: Audit, draft: Make) -> None:
    first, second = (store.save(draft()) for _ in range(2))
    audit.record("instruction.read", "auditor", first.name, {"reason": "complaint"})
    assert [event.seq for event in audit.events(subject=first.name, limit=10)] == [1, 3]
    assert [event.seq for event in audit.events(after=1, limit=1)] == [2]
    assert audit.events(subject=second.name, limit=10)[0].subject == second.name
    assert audit.verify().faults == ()


def test_the_latest_event_about_a_subject_is_found(store: Store, audit: Audit, draft: Make) -> None:
    name = store.save(draft()).name
    audit.record("instruction.read", "auditor", name)
    store.save(draft())
    latest = audit.latest(name)
    assert latest is not None
    assert (latest.seq, latest.action) == (2, "instruction.read")
    assert audit.latest("instructions/none") is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody'",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE seq = 2",
    ],
)
def test_the_database_refuses_to_change_events(store: Store, execute: Execute, draft: Make, statement: str) -> None:
    for _ in range(2):
        store.save(draft())
    with pytest.raises(DatabaseError, match="append-only"):
        execute(statement)
    assert execute("SELECT count(*) FROM audit_events") == [(2,)]


def test_sqlite_refuses_to_replace_an_event(sqlite_store: Store, database: Path, draft: Make) -> None:
    sqlite_store.save(draft())
    with (
        closing(sqlite3.connect(database)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute("INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events")


def test_postgresql_refuses_to_empty_the_trail(postgres: Server) -> None:
    url = postgres.new_database()
    Store.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection, pytest.raises(DatabaseError, match="append-only"):
        connection.execute(text("TRUNCATE audit_events"))
    engine.dispose()
    postgres.drop(url)


@pytest.fixture
def without_triggers(url: str, execute: Execute) -> Callable[[], None]:
    """Takes away what refuses changes, as somebody could who owns the database."""

    def drop() -> None:
        if url.startswith("sqlite"):
            for name in ("update", "delete", "replace"):
                execute(f"DROP TRIGGER audit_events_no_{name}")
        else:
            execute("DROP FUNCTION audit_events_append_only() CASCADE")

    return drop


@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("UPDATE audit_events SET actor = 'nobody' WHERE seq = 2", 2),
        ("UPDATE audit_events SET details = '{\"a\": 1}' WHERE seq = 3", 3),
        ("DELETE FROM audit_events WHERE seq = 1", 1),
        ("DELETE FROM audit_events WHERE seq = 2", 2),
        ("UPDATE audit_events SET hash = previous WHERE seq = 3", 3),
        ("DELETE FROM audit_events WHERE seq = 3", 3),  # its rows are left, and no event covers them
    ],
)
def test_tampering_with_the_trail_is_found(
    store: Store,
    audit: Audit,
    execute: Execute,
    draft: Make,
    without_triggers: Callable[[], None],
    tampering: str,
    seq: int,
) -> None:
    for _ in range(3):
        store.save(draft())
    without_triggers()
    execute(tampering)
    report = audit.verify()
    assert report.faults
    assert report.faults[0].seq == seq


@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("UPDATE instructions SET instruction = '派出9辆' WHERE id = '{0}'", 1),
        ("UPDATE instructions SET review_state = 'approved' WHERE id = '{1}'", 2),
        ("UPDATE instructions SET confidence = 1 WHERE id = '{1}'", 2),
        ("UPDATE instructions SET due_at = NULL WHERE id = '{1}'", 2),
        ("UPDATE instructions SET salt = 'zz' WHERE id = '{1}'", 2),
        ("UPDATE instructions SET erased_at = created_at WHERE id = '{1}'", 2),
        ("UPDATE instructions SET commitment = (SELECT commitment FROM instructions WHERE id = '{0}'), "
         "salt = (SELECT salt FROM instructions WHERE id = '{0}') WHERE id = '{1}'", 2),
        ("UPDATE requests SET report = '' WHERE id = '{1}'", 2),
        ("UPDATE requests SET principal = 'other' WHERE id = '{0}'", 1),
        ("UPDATE models SET name = 'other'", 1),
        ("DELETE FROM instructions WHERE id = '{1}'", 2),
        ("INSERT INTO incidents (id, created_at) VALUES ('made up', '2026-01-01 00:00:00.000000')", 3),
    ],
)  # fmt: skip
def test_tampering_with_a_row_is_found_and_its_event_named(
    store: Store, audit: Audit, execute: Execute, draft: Make, tampering: str, seq: int
) -> None:
    due = datetime(2026, 1, 1, tzinfo=UTC)
    keys = [store.save(draft(due_at=due)).name.removeprefix("instructions/") for _ in range(2)]
    execute(tampering.format(*keys))
    faults = audit.verify().faults
    assert faults[0].seq == seq


def test_a_chain_that_was_cut_is_found_by_its_noted_end(
    store: Store, audit: Audit, execute: Execute, draft: Make, without_triggers: Callable[[], None]
) -> None:
    for _ in range(2):
        audit.record("instruction.read", "auditor", "instructions/0")
    noted = audit.head()
    assert audit.verify(ChainHead.parse(str(noted))).faults == ()
    without_triggers()
    execute("DELETE FROM audit_events WHERE seq = 2")
    assert audit.verify().faults == ()
    assert "ends after 1 of the 2" in audit.verify(noted).faults[0].message
    audit.record("instruction.read", "somebody else", "instructions/0")
    assert "another than the one that was noted" in audit.verify(noted).faults[0].message


@pytest.mark.parametrize("text", ["", "1", "1:", ":" + "0" * 64, "x:" + "0" * 64, "1:" + "0" * 63])
def test_what_is_no_end_of_a_chain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        ChainHead.parse(text)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    report=TEXT,
    context=st.dictionaries(TEXT, JSON, max_size=3),
    timings=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    confidence=st.floats(allow_nan=False, allow_infinity=False),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    hours=st.integers(-12, 12),
)
def test_whatever_is_stored_verifies(
    store: Store, audit: Audit, draft: Make, report: str, context: Any, timings: Any, confidence: float,
    moment: datetime, hours: int,
) -> None:  # fmt: skip
    created = moment.replace(tzinfo=UTC).astimezone(tz=None) + timedelta(hours=hours)
    changes = {"report": report, "context": context, "timings": timings, "confidence": confidence}
    saved = store.save(draft(created_at=created, **changes))
    assert store.get(saved.name) == saved
    assert audit.verify().faults == ()


@given(st.dictionaries(TEXT, JSON, min_size=1), st.data())
def test_a_changed_event_has_another_hash(event: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(event)))
    other = data.draw(JSON.filter(lambda value: canonical(value) != canonical(event[key])))
    if key != "hash":
        assert event_hash({**event, key: other}) != event_hash(event)


@given(st.dictionaries(TEXT, JSON, max_size=5), st.randoms())
def test_the_serialisation_does_not_depend_on_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)
    assert json.loads(canonical(value)) == value


def test_the_digests_of_this_version_are_those_of_every_later_one() -> None:
    row: dict[str, Any] = {
        "id": "r", "reason": "重复", "text": "派出2辆", "salt": "00" * 32, "erased_at": None,
        "decided_at": datetime(2026, 1, 1, 8, tzinfo=UTC),
    }  # fmt: skip
    row["commitment"] = commitment("reviews", row)
    assert row["commitment"] == "f39622b9f93a0a8d899b6a2263a5a9785d7e8d3f05e53818f913152b5748953f"
    assert row_digest("reviews", row) == "4b0df53298b0ea1d2cde91424711e60206456d56f2d6067815b6bebafa8819fd"
    assert row_digest("reviews", {**row, "added_later": None}) == row_digest("reviews", row)
    assert (
        event_hash({"seq": 1, "previous": GENESIS, "hash": "left out"})
        == "be79e2e77e80a70cd76f63dd61315d7b6c2a89c16f2e7362179babfbe4567a48"
    )


def test_equal_texts_have_unlike_commitments() -> None:
    rows = [{"reason": "", "text": "派出2辆", "salt": new_salt()} for _ in range(2)]
    assert commitment("reviews", rows[0]) != commitment("reviews", rows[1])


def test_personal_columns_exist_and_their_tables_can_be_erased() -> None:
    tables = {table.name: table for table in COVERED}
    for name, columns in PERSONAL.items():
        assert {*columns, "salt", "commitment", "erased_at"} <= set(tables[name].columns.keys())


def test_a_failing_step_leaves_no_event_and_no_gap(store: Store, audit: Audit, draft: Make) -> None:
    store.save(draft(request_id="r-1", body_digest="one"))
    with pytest.raises(ValueError, match="r-1"):
        store.save(draft(request_id="r-1", body_digest="two"))
    store.save(replace(draft(), request_id="r-2"))
    assert audit.head().seq == 2
    assert audit.verify().faults == ()
