"""Computing stands back behind whoever talks to callers."""

import os
import sys
import threading

import pytest

from dispatch.engine import Batcher, call_standing_back
from dispatch.engine.priority import NICENESS
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
    assert call_standing_back(niceness_of_a_new_thread) == min(before + NICENESS, 19)
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
    assert seen == [min(niceness() + NICENESS, 19)]
