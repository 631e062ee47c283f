"""The spool: what comes while PostgreSQL is lost is kept, and is in the store exactly once when that is back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from dispatch.store import (
    Audit,
    Instruction,
    Replayer,
    RequestIdConflict,
    SpoolingStore,
    Store,
    StoreError,
    StoreUnavailable,
)
from tests.store.postgres import Server, running_server

Make = Callable[..., Instruction]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that tests may stop."""
    with running_server() as server:
        yield server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    address = server.new_database()
    yield address
    server.start()
    server.drop(address)


@pytest.fixture
def spool(database: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{database}")
    yield opened
    opened.close()


@pytest.fixture
def spooling(store: Store, spool: Store) -> SpoolingStore:
    return SpoolingStore(store, spool)


def test_without_a_spool_a_lost_store_refuses_and_recovers_by_itself(server: Server, store: Store, draft: Make) -> None:
    server.stop()
    with pytest.raises(StoreUnavailable):
        store.save(draft(request_id="r-1"))
    with pytest.raises(StoreUnavailable):
        store.ping()
    server.start()
    saved = store.save(draft(request_id="r-1"))
    assert store.list_recent(9) == [saved]


def test_while_the_store_is_there_the_spool_stays_empty(spooling: SpoolingStore, spool: Store, draft: Make) -> None:
    saved = spooling.save(draft(request_id="r-1"), "cad")
    assert spooling.find_request("r-1", "cad") == saved
    assert (spooling.state, spool.list_recent(1)) == ("store", [])


def test_what_was_spooled_is_replayed_once(
    server: Server, spooling: SpoolingStore, store: Store, spool: Store, draft: Make
) -> None:
    before = spooling.save(draft(request_id="r-0"))
    server.stop()
    spooled = [spooling.save(draft(request_id=f"r-{number}", incident_id="i"), "cad") for number in (1, 2)]
    assert spooling.state == "spool"
    assert spooling.get(spooled[0].name) == spooling.find_request("r-1", "cad") == spooled[0]
    assert spooling.list_incident("i") == spooled
    assert spooling.find_request("r-0") is None  # nobody can see it now
    with pytest.raises(StoreUnavailable):
        spooling.replay()
    server.start()
    assert spooling.find_request("r-0") == before
    assert spooling.replay() == 2
    assert spooling.replay() == 0
    assert spooling.state == "store"
    assert {saved.name for saved in store.list_recent(9)} == {before.name, *(saved.name for saved in spooled)}
    assert [replace(saved, version=1) for saved in store.list_incident("i")] == spooled
    for part in (store, spool):
        assert Audit(part.database).verify().faults == ()
    assert [(left.report, left.request_id, left.erased_at is None) for left in spool.list_recent(9)] == [
        ("", "", False)
    ] * 2


def test_a_request_repeated_in_the_spool_gets_its_answer_or_a_conflict(
    server: Server, spooling: SpoolingStore, draft: Make
) -> None:
    server.stop()
    first = spooling.save(draft(request_id="r-1", body_digest="one"))
    assert spooling.save(draft(request_id="r-1", body_digest="one", instruction="另一条")) == first
    with pytest.raises(RequestIdConflict):
        spooling.save(draft(request_id="r-1", body_digest="two"))


def test_both_answers_to_one_request_id_are_kept(
    server: Server, spooling: SpoolingStore, store: Store, draft: Make
) -> None:
    first = spooling.save(draft(request_id="r-1"), "cad")
    server.stop()
    second = spooling.save(draft(request_id="r-1"), "cad")
    assert second.name != first.name
    server.start()
    spooling.replay()
    assert store.find_request("r-1", "cad") == first
    kept = store.get(second.name)
    assert kept is not None
    assert kept.request_id == ""
    (event,) = Audit(store.database).events(subject=second.name, limit=9)
    assert event.details == {"request_id": "r-1", "answered_first_by": first.name}


def test_a_row_that_the_store_took_before_it_was_lost_is_not_stored_again(
    server: Server, spooling: SpoolingStore, store: Store, spool: Store, draft: Make
) -> None:
    """As where the connection broke after the commit and before its answer."""
    stored = store.save(draft(request_id="r-1"))
    spool.save(stored)
    assert SpoolingStore(store, spool).replay() == 1
    assert store.list_recent(9) == [stored]


def test_a_spool_left_behind_is_replayed_after_a_restart_and_comes_first(
    server: Server, url: str, database: Path, spooling: SpoolingStore, draft: Make
) -> None:
    server.stop()
    left = spooling.save(draft(request_id="r-1"))
    spooling.close()
    server.start()
    again = SpoolingStore(Store.open(url), Store.open(f"sqlite:///{database}"))
    assert again.state == "spool"
    assert again.save(draft(request_id="r-1")) == left
    assert again.replay() == 1
    assert again.state == "store"
    assert again.save(draft(request_id="r-1")) == left
    again.close()


def test_a_fault_of_the_draft_is_no_reason_to_spool(spooling: SpoolingStore, spool: Store, draft: Make) -> None:
    spooling.save(draft(request_id="r-1", body_digest="one"))
    with pytest.raises(RequestIdConflict):
        spooling.save(draft(request_id="r-1", body_digest="two"))
    with pytest.raises(ValueError, match="NUL"):
        spooling.save(draft(report="\0"))
    assert (spooling.state, spool.list_recent(1)) == ("store", [])


def test_under_load_every_answer_is_in_the_store_once_after_an_outage(
    server: Server, url: str, spooling: SpoolingStore, store: Store, draft: Make
) -> None:
    replayer = Replayer(spooling, every_s=0.05)
    replayer.start()
    stop = Event()

    def call(caller: int) -> list[Instruction]:
        answers: list[Instruction] = []
        while not stop.is_set():
            answers.append(spooling.save(draft(request_id=f"{caller}-{len(answers)}")))
        return answers

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, caller) for caller in range(4)]
        try:
            for _ in range(2):
                server.stop()
                server.start()
        finally:
            stop.set()  # else the pool would wait for its callers for ever
        answered = {answer.name for calls_of_one in calls for answer in calls_of_one.result()}
    replayer.stop()
    spooling.replay()
    stored = [saved.name for saved in store.list_recent(1_000_000)]
    assert len(stored) == len(set(stored))
    assert answered <= set(stored)
    assert Audit(store.database).verify().faults == ()


class Lost:
    """Counts who asks the store, and has them wait."""

    def __init__(self, store: Store, spooling: SpoolingStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.spooling = store, spooling
        self.asked = 0
        self.waits, self.entered = Event(), Event()
        self.waits.set()
        self._find = store.find_request
        self.is_away = True
        monkeypatch.setattr(store, "find_request", self._find_or_fail)

    def _find_or_fail(self, request_id: str, principal: str = "") -> Instruction | None:
        self.asked += 1
        self.entered.set()
        assert self.waits.wait(60)
        if self.is_away:
            raise StoreUnavailable("away")
        return self._find(request_id, principal)


@pytest.fixture
def lost(tmp_path: Path, spool: Store, draft: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lost]:
    """A store that is away, with something in its spool."""
    spool.save(draft(request_id="spooled"))
    with closing(Store.open(f"sqlite:///{tmp_path}/lost.db")) as store:
        yield Lost(store, SpoolingStore(store, spool), monkeypatch)


def test_of_a_store_that_is_away_one_asks_at_a_time_and_the_others_do_not_wait(lost: Lost, draft: Make) -> None:
    there = lost.store.save(draft(request_id="stored"))
    assert lost.spooling.find_request("stored") is None
    lost.waits.clear()
    lost.entered.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lost.spooling.find_request, "stored")
        try:
            assert lost.entered.wait(60)
            assert lost.spooling.find_request("stored") is None
            assert lost.asked == 2
        finally:
            lost.waits.set()
        assert waiting.result() is None
    lost.is_away = False
    assert lost.spooling.find_request("stored") == there


def test_what_was_replayed_is_erased_from_the_spool_and_may_be_asked_again(
    lost: Lost, spool: Store, draft: Make
) -> None:
    lost.is_away = False
    replayed = lost.spooling.find_request("spooled")
    assert replayed is not None
    assert lost.spooling.replay() == 1
    assert lost.spooling.find_request("spooled") == replayed
    (left,) = spool.list_recent(9)
    assert (left.name, left.report, left.instruction, left.request_id) == (replayed.name, "", "", "")
    assert Audit(spool.database).verify().faults == ()
    lost.is_away = True
    assert lost.spooling.find_request("spooled") is None
    assert spool.save(draft(request_id="spooled", report="另一份报告")).request_id == "spooled"


def test_a_replay_that_fails_is_tried_again(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    replay, failures = lost.spooling.replay, iter([RuntimeError(), StoreError("no"), StoreUnavailable("away")])
    done = Event()

    def fail_first() -> int:
        for failure in failures:
            raise failure
        done.set()
        return replay()

    monkeypatch.setattr(lost.spooling, "replay", fail_first)
    replayer = Replayer(lost.spooling, every_s=0.01)
    replayer.start()
    assert done.wait(60)
    replayer.stop()
    assert lost.spooling.state == "store"
