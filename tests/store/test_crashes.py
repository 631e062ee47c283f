"""A process killed while it writes: what it answered is there, once; nothing is half there; no hand is needed.

Run as a program it does so more often: `python -m tests.store.test_crashes sqlite 50`, or `postgresql 20`.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dispatch
from dispatch.store import Audit, Store
from dispatch.store.upkeep import check
from tests.store.postgres import running_server

WRITER = """
import itertools, os, sys, threading
from dispatch.store import Instruction, Store

store, start = Store.open(sys.argv[1]), sys.argv[2]

def write(caller):
    for number in itertools.count():
        request_id = f"{start}-{caller}-{number}"
        draft = Instruction(
            request_id=request_id, incident_id=f"i-{number % 7}", report="救命" * 50, context={}, decoding={},
            instruction="派出", candidates=[], situations=[], plan=[], checks=[], confidence=1.0,
            model={"name": "m", "digest": "d"}, doctrine="", timings={},
        )
        name = store.save(draft, "cad").name
        os.write(1, f"{request_id} {name}\\n".encode())

for caller in range(8):
    threading.Thread(target=write, args=(caller,)).start()
"""


def crash(url: str, rounds: int, seed: int) -> int:
    """Kill a writer again and again; returns how many answers it had given. AssertionError where one is lost."""
    moments = random.Random(seed)
    answered: dict[str, str] = {}
    for number in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(number)],
            cwd=Path(dispatch.__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]  # it has begun
        time.sleep(moments.uniform(0, 0.3))
        writer.kill()
        lines += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        for line in lines:
            request_id, end, name = line.partition(" ")
            if end and name.endswith("\n"):  # else cut in the middle
                answered[request_id] = name.strip()
    store = Store.open(url)
    try:
        rows = store.list_recent(1_000_000)
        assert len(rows) == len({row.request_id for row in rows})
        stored = {row.request_id: row.name for row in rows}
        lost = {request_id for request_id, name in answered.items() if stored.get(request_id) != name}
        assert not lost, f"answered, and not stored: {lost}"
        assert Audit(store.database).verify().faults == ()
    finally:
        store.close()
    assert [problem for finding in check(url) for problem in finding.problems] == []
    return len(answered)


@contextmanager
def empty_database(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/dispatch.db"
    else:
        with running_server() as server:
            yield server.new_database()


def test_no_answered_row_is_lost_when_the_process_is_killed(url: str) -> None:
    assert crash(url, rounds=3, seed=1) >= 3  # each has begun when it is killed


if __name__ == "__main__":
    with empty_database(sys.argv[1]) as address:
        count = crash(address, rounds=int(sys.argv[2]), seed=0)
    print(f"{sys.argv[1]}: killed {sys.argv[2]} times, {count} answers, each stored once; the chain verifies")
