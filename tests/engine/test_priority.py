"""Computing stands back behind whoever talks to callers, and decoding behind checking."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatch.engine import Batcher, call_standing_back
from dispatch.engine.priority import CHECKING, DECODING, stand_back
from tests.engine.fakes import EchoEngine, request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def niceness_of_a_new_thread() -> int:
    told: list[int] = []
    thread = threading.Thread(target=lambda: told.append(niceness()))
    thread.start()
    thread.join()
    return told[0]


def test_what_a_call_starts_stands_back_and_its_caller_does_not() -> None:
    before = niceness()
    assert call_standing_back(niceness_of_a_new_thread) == min(before + DECODING, 19)
    assert niceness() == before


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        call_standing_back(lambda: 1 // 0)


def test_a_batcher_decodes_standing_back() -> None:
    seen: list[int] = []

    class Telling(EchoEngine):
        def generate(self, requests, should_stop=lambda index: False):  # type: ignore[no-untyped-def]
            seen.append(niceness())
            return super().generate(requests, should_stop)

    batcher = Batcher(Telling())
    batcher.submit(request("a")).future.result(60)
    batcher.close(60)
    assert seen == [min(niceness() + DECODING, 19)]


def test_what_checks_comes_before_what_decodes() -> None:
    def standing_back(step: int) -> int:
        with ThreadPoolExecutor(1, initializer=stand_back, initargs=(step,)) as pool:
            return pool.submit(niceness).result()

    assert niceness() < standing_back(CHECKING) < standing_back(DECODING)
