"""Group commit: many callers, few commits; who fails, fails alone; and what a full or read-only disk does."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

import dispatch
from dispatch.store import Audit, Instruction, RequestIdConflict, Store, StoreUnavailable
from dispatch.store.rows import INSTRUCTIONS
from dispatch.store.transaction import Transaction

Make = Callable[..., Instruction]


@pytest.fixture
def held(store: Store) -> Callable[[Callable[[], list[Future[Any]]]], list[Future[Any]]]:
    """Hands in jobs while the committer is busy, so that they share a transaction; returns them when all are done."""

    def hand_in(jobs: Callable[[], list[Future[Any]]]) -> list[Future[Any]]:
        begun, go = threading.Event(), threading.Event()

        def wait(transaction: Transaction) -> None:
            begun.set()
            go.wait()

        first = store.database.submit("wait", wait)
        begun.wait()
        futures = jobs()
        assert not any(future.done() for future in futures)
        go.set()
        for future in futures:
            future.exception()
        first.result()
        return futures

    return hand_in


def test_what_comes_during_a_commit_shares_the_next(store: Store, draft: Make, held: Any) -> None:
    commits: list[Any] = []
    event.listen(store.database._engine, "commit", commits.append)
    futures = held(lambda: [store.submit(draft(request_id=f"r-{number}")) for number in range(50)])
    assert len(commits) == 2  # of the job that held the others up, and of all the others
    assert len({future.result().name for future in futures}) == 50
    assert Audit(store.database).verify().faults == ()


def test_a_row_that_fails_fails_alone(store: Store, draft: Make, held: Any) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.insert(INSTRUCTIONS, {"id": "half"})

    def jobs() -> list[Future[Any]]:
        return [
            store.submit(draft(request_id="r-1", body_digest="one")),
            store.submit(draft(request_id="r-1", body_digest="two")),
            store.database.submit("store half a row", fail),
            store.submit(draft(request_id="r-2")),
        ]

    good, conflict, half, other = held(jobs)
    assert isinstance(conflict.exception(), RequestIdConflict)
    assert "cannot store half a row" in str(half.exception())
    assert {row.name for row in store.list_recent(9)} == {good.result().name, other.result().name}
    assert Audit(store.database).verify().faults == ()


def test_a_commit_that_fails_fails_everybody_in_it(store: Store, draft: Make, held: Any) -> None:
    def lose(connection: Any) -> None:
        raise StoreUnavailable("the cable is cut")

    def jobs() -> list[Future[Any]]:
        event.listen(store.database._engine, "commit", lose)
        return [store.submit(draft(request_id=f"r-{number}")) for number in range(3)]

    begun = store.save(draft(request_id="before"))
    with pytest.raises(StoreUnavailable):
        held(jobs)  # the one that held them up fails as well
    event.remove(store.database._engine, "commit", lose)
    assert store.list_recent(9) == [begun]
    store.save(draft(request_id="r-1"))
    assert Audit(store.database).verify().faults == ()


def test_rows_handed_in_together_are_stored_together_or_not_at_all(store: Store, draft: Make) -> None:
    pair = [draft(request_id="r-1", body_digest="one"), draft(request_id="r-1", body_digest="two")]
    with pytest.raises(RequestIdConflict):
        store.save_all(pair)
    assert store.list_recent(9) == []
    saved = store.save_all([draft(request_id="r-1"), draft(request_id="r-2")])
    assert [row.request_id for row in saved] == ["r-1", "r-2"]


def test_closing_waits_for_what_was_handed_in(url: str, draft: Make) -> None:
    store = Store.open(url)
    futures = [store.submit(draft()) for _ in range(20)]
    store.close()
    assert all(future.done() for future in futures)


def test_readers_see_nothing_that_is_not_committed(store: Store, draft: Make, held: Any) -> None:
    seen: list[int] = []

    def jobs() -> list[Future[Any]]:
        future = store.submit(draft())
        seen.append(len(store.list_recent(1)))
        return [future]

    held(jobs)
    assert seen == [0]
    assert len(store.list_recent(1)) == 1


def test_threads_race_for_few_request_ids_and_agree(store: Store, draft: Make) -> None:
    def call(number: int) -> str:
        return store.save(draft(request_id=f"r-{number % 5}", body_digest="d", instruction=str(number))).name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(call, range(60)))
    assert len(set(names)) == 5
    assert all(names[number] == names[number % 5] for number in range(60))
    assert Audit(store.database).head().seq == 5


FILL = """
import resource, sys
from dispatch.store import Audit, Instruction, Store, StoreUnavailable

store = Store.open(sys.argv[1])

def save(report):
    return store.save(Instruction(
        report=report, context={}, decoding={}, instruction="派出", candidates=[], situations=[], plan=[], checks=[],
        confidence=1.0, model={"name": "m", "digest": "d"}, doctrine="", timings={},
    )).name

first = save("救命")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most))
answered, refused = [], 0
while refused < 3:
    try:
        answered.append(save("救命" * 20_000))
    except StoreUnavailable:
        refused += 1
assert store.get(first) is not None, "what was stored is read while the disk is full"
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
answered.append(save("救命"))
names = {row.name for row in store.list_recent(1000)}
assert names == {first, *answered}, names
assert Audit(store.database).verify().faults == ()
store.close()
print("recovered after", len(answered))
"""


def test_a_full_disk_refuses_loses_nothing_and_is_over_when_there_is_room(database: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, f"sqlite:///{database}"],
        cwd=Path(dispatch.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:15]) == (0, "recovered after"), done.stderr


def test_a_file_that_turns_read_only_refuses_until_it_can_be_written(sqlite_store: Store, draft: Make) -> None:
    def query_only(wanted: str) -> None:
        connection = sqlite_store.database._engine.raw_connection()
        connection.cursor().execute(f"PRAGMA query_only = {wanted}")
        connection.close()

    saved = sqlite_store.save(draft())
    query_only("ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        sqlite_store.save(draft())
    assert sqlite_store.list_recent(9) == [saved]
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="readonly"):
            sqlite_store.ping()
    query_only("OFF")
    sqlite_store.ping()
    sqlite_store.ping()
    assert len(Audit(sqlite_store.database).events(subject="store", limit=9)) == 1
    sqlite_store.save(draft())
    assert len(sqlite_store.list_recent(9)) == 2
