"""The service killed under load: what it answered is stored once, as it was answered; a restart needs no hand.

Run as a program it is killed more often: `python -m tests.integration.test_crashes sqlite 50`, or `postgresql 20`.
"""

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import grpc

from tests.integration.load import Answer, Asking, Load
from tests.integration.proof import prove
from tests.integration.service import PATIENCE_S, ServiceConfig, serving
from tests.store.postgres import Server
from tests.store.test_crashes import empty_database
from tests.tiny_bundle import save_tiny_bundle

_REPEATED = 20  # answers asked for again after each restart
_LONGEST_S = 1.0  # under load before it is killed


def crash(config: ServiceConfig, rounds: int, seed: int) -> int:
    """Kill a service again and again; returns how many answers it had given. AssertionError where one is lost."""
    moments = random.Random(seed)
    answered: dict[str, Answer] = {}
    for number in range(rounds):
        with serving(config) as service:
            _repeat(service.address, moments, answered)
            load = Load(service.address, f"crash-{number}")
            load.wait_for_answers()
            time.sleep(moments.uniform(0, _LONGEST_S))
            service.kill()
            load.stop()
        assert {failed.code for failed in load.failed} <= {"UNAVAILABLE"}, load.failed
        answered |= load.answered
    with serving(config) as service:
        _repeat(service.address, moments, answered)
        assert service.terminate() == 0
    prove(config.database_url, answered)
    return len(answered)


def _repeat(address: str, moments: random.Random, answered: dict[str, Answer]) -> None:
    """Answered before it was killed, answered the same now."""
    asked = moments.sample(sorted(answered), min(_REPEATED, len(answered)))
    with grpc.insecure_channel(address) as channel:
        again = dict(Asking(channel, PATIENCE_S).generate(asked))
    assert again == {request_id: answered[request_id] for request_id in asked}


def test_no_answer_is_lost_when_the_service_on_sqlite_is_killed(config: ServiceConfig) -> None:
    assert crash(config, rounds=2, seed=1) >= 2


def test_no_answer_is_lost_when_the_service_on_postgresql_is_killed(config: ServiceConfig, postgres: Server) -> None:
    url = postgres.new_database()
    assert crash(replace(config, database_url=url), rounds=2, seed=1) >= 2


def main(kind: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, empty_database(kind) as url:
        folder = Path(name)
        save_tiny_bundle(folder / "tiny")
        count = crash(ServiceConfig(folder / "tiny", url, folder), rounds, seed=0)
    print(f"{kind}: killed {rounds} times, {count} answers, each stored once as it was given; the chain verifies")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
