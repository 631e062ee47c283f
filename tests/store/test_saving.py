"""Saving and finding instructions: whole, once, and on disk."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import dispatch
from dispatch.store import Instruction, RequestIdConflict, Store, StoreError, StoreUnavailable, new_name

Make = Callable[..., Instruction]
Execute = Callable[[str], list[tuple[Any, ...]]]


def test_what_is_saved_is_what_is_found(store: Store, draft: Make) -> None:
    unsaved = draft(request_id="r-1", incident_id="i-1", prefix="派出", body_digest="d")
    saved = store.save(unsaved)
    plain = [{"text": "派出2辆消防车前往歙县", "score": -0.25, "token_scores": [-0.125, -0.1]}]
    assert saved == replace(unsaved, name=saved.name, candidates=plain)
    assert saved.name.startswith("instructions/")
    assert store.get(saved.name) == saved
    assert store.find_request("r-1") == saved
    assert store.list_recent(10) == [saved]


def test_a_saved_instruction_outlives_its_store(store: Store, draft: Make, url: str) -> None:
    saved = store.save(draft(request_id="r-1"))
    store.close()
    again = Store.open(url)
    assert again.get(saved.name) == saved
    again.close()


def test_the_row_is_there_for_others_when_save_returns(store: Store, draft: Make, execute: Execute) -> None:
    saved = store.save(draft())
    assert execute("SELECT 'instructions/' || id, instruction FROM instructions") == [
        (saved.name, "派出2辆消防车前往歙县")
    ]
    assert execute("SELECT report FROM requests") == [("黄山市歙县，3人被困，速派救援😊",)]
    assert execute("SELECT count(*) FROM requests WHERE CAST(context AS TEXT) LIKE '%歙县%'") == [(1,)]  # legible JSON


def test_the_row_survives_the_death_of_its_process(url: str, store: Store) -> None:
    code = (
        "import sys\n"
        "from dispatch.store import Instruction, Store\n"
        "draft = Instruction(report='救命', context={}, decoding={}, instruction='派出', candidates=[],\n"
        "    situations=[], plan=[], checks=[], confidence=1.0, model={'name': 'm', 'digest': 'd'},\n"
        "    doctrine='', timings={})\n"
        "print(Store.open(sys.argv[1]).save(draft).name, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, url],
        cwd=Path(dispatch.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        child.kill()
        assert child.wait() == -signal.SIGKILL
    found = store.get(name)
    assert found is not None
    assert found.report == "救命"


def test_created_at_is_an_aware_moment_in_utc(store: Store, draft: Make) -> None:
    moment = datetime(2026, 7, 1, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    found = store.get(store.save(draft(created_at=moment)).name)
    assert found is not None
    assert found.created_at == moment
    assert found.created_at.tzinfo is UTC


def test_a_repeated_request_gets_the_first_answer(store: Store, draft: Make, execute: Execute) -> None:
    first = store.save(draft(request_id="r-1", body_digest="same"))
    second = store.save(draft(request_id="r-1", body_digest="same", instruction="另一条", incident_id="new"))
    assert second == first
    assert execute("SELECT count(*) FROM requests") == [(1,)]
    assert execute("SELECT count(*) FROM incidents") == [(0,)]  # the second left nothing behind


def test_a_request_id_with_another_body_is_a_conflict(store: Store, draft: Make) -> None:
    first = store.save(draft(request_id="r-1", body_digest="one"))
    with pytest.raises(RequestIdConflict, match="'r-1'"):
        store.save(draft(request_id="r-1", body_digest="two"))
    assert store.list_recent(10) == [first]


def test_principals_do_not_share_request_ids(store: Store, draft: Make) -> None:
    mine = store.save(draft(request_id="r-1", body_digest="one"), principal="cad")
    theirs = store.save(draft(request_id="r-1", body_digest="two"), principal="web")
    assert store.find_request("r-1", "cad") == mine
    assert store.find_request("r-1", "web") == theirs
    assert store.find_request("r-1") is None


def test_requests_without_an_id_are_never_the_same(store: Store, draft: Make) -> None:
    assert store.save(draft()).name != store.save(draft()).name
    assert store.find_request("") is None


@pytest.mark.parametrize("stores", [1, 2])
def test_a_race_for_one_request_id_has_one_winner(url: str, execute: Execute, draft: Make, stores: int) -> None:
    opened = [Store.open(url) for _ in range(stores)]
    racers = 8
    barrier = Barrier(racers)

    def race(number: int) -> Instruction:
        barrier.wait()
        return opened[number % stores].save(draft(request_id="r-1", body_digest="d", instruction=f"第{number}条"))

    with ThreadPoolExecutor(racers) as pool:
        answers = list(pool.map(race, range(racers)))
    for each in opened:
        each.close()
    assert answers == [answers[0]] * racers
    assert execute("SELECT count(*) FROM instructions") == [(1,)]


def test_many_threads_save_all_their_rows(store: Store, draft: Make, execute: Execute) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = {saved.name for saved in pool.map(lambda n: store.save(draft(incident_id=f"i-{n % 3}")), range(40))}
    assert len(names) == 40
    assert execute("SELECT count(*) FROM instructions") == [(40,)]


def test_incidents_and_models_are_stored_once(store: Store, draft: Make, execute: Execute) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for minutes, incident in enumerate(("i-1", "i-1", "i-2", "")):
        store.save(draft(incident_id=incident, created_at=start + timedelta(minutes=minutes)))
    assert execute("SELECT id FROM incidents ORDER BY id") == [("i-1",), ("i-2",)]
    assert execute("SELECT name, digest, CAST(first_seen_at AS TEXT) LIKE '2026-01-01 00:00:00%' FROM models") == [
        ("default", "ab12", True)
    ]


def test_the_newest_are_listed_first(store: Store, draft: Make) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    saved = [store.save(draft(created_at=start + timedelta(minutes=minutes))) for minutes in (2, 0, 1)]
    assert store.list_recent(2) == [saved[0], saved[2]]


@pytest.mark.parametrize("name", ["", "instructions/", "instructions/" + "0" * 32, "instructions/\0", "\ud800"])
def test_unknown_names_find_nothing(store: Store, name: str) -> None:
    assert store.get(name) is None


def test_unstorable_text_is_refused_before_the_database(store: Store, draft: Make, execute: Execute) -> None:
    with pytest.raises(ValueError, match="report: the character NUL"):
        store.save(draft(report="a\0"))
    assert execute("SELECT count(*) FROM requests") == [(0,)]


def test_a_save_that_fails_leaves_nothing(sqlite_store: Store, draft: Make, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON instructions BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(StoreError, match=r"cannot save the instruction .*disk full") as caught:
            sqlite_store.save(draft(request_id="r-1", incident_id="i-1"))
        assert caught.value.__cause__ is not None
        assert "歙县" not in f"{caught.value} {caught.value.__cause__}"  # no word of a report in any message
        for table in ("incidents", "models", "requests", "instructions", "audit_events"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_locked_database_is_an_error_and_then_works_again(database: Path, draft: Make) -> None:
    store = Store.open(f"sqlite:///{database}?timeout=0.05")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.save(draft())
        assert store.list_recent(1) == []  # who writes does not hold off who reads
        with pytest.raises(StoreUnavailable, match="locked"):
            store.ping()
        other.execute("COMMIT")
    assert store.get(store.save(draft()).name) is not None
    store.close()


def test_a_deleted_file_loses_no_row_in_silence(sqlite_store: Store, draft: Make, database: Path) -> None:
    sqlite_store.save(draft())
    for path in database.parent.iterdir():
        path.unlink()
    with pytest.raises(StoreError):
        sqlite_store.save(draft())
    with pytest.raises(StoreError):
        sqlite_store.ping()


def test_ping_is_quiet_while_the_database_answers(store: Store) -> None:
    store.ping()


def test_ping_writes_nothing_while_commits_succeed(store: Store, draft: Make, execute: Execute) -> None:
    store.save(draft())
    store.ping()
    assert execute("SELECT count(*) FROM audit_events") == [(1,)]


def test_close_may_be_repeated_and_nothing_is_taken_after_it(store: Store, draft: Make) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.save(draft())


def test_a_draft_that_brings_its_name_is_stored_once(store: Store, draft: Make, execute: Execute) -> None:
    named = draft(name=new_name())
    assert store.save(named) == store.save(named) == store.get(named.name)
    assert execute("SELECT count(*) FROM instructions") == [(1,)]


def test_the_instructions_of_an_incident_are_listed_oldest_first(store: Store, draft: Make) -> None:
    now = datetime.now(UTC)
    saved = [store.save(draft(incident_id="i-1", created_at=now - timedelta(hours=hours))) for hours in (1, 2)]
    store.save(draft(incident_id="i-2"))
    assert store.list_incident("i-1") == saved[::-1]


def test_what_was_stored_since_a_moment_is_listed_newest_first(store: Store, draft: Make) -> None:
    now = datetime.now(UTC)
    names = [store.save(draft(created_at=now - timedelta(hours=hours), request_id=str(hours))).name for hours in (3, 1)]
    assert [earlier.name for earlier in store.list_since(now - timedelta(hours=4), 9)] == names[::-1]
    assert [earlier.request_id for earlier in store.list_since(now - timedelta(hours=2), 9)] == ["1"]
    assert len(store.list_since(now - timedelta(hours=4), 1)) == 1
