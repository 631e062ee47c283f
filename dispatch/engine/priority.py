"""Who goes first where a processor is busy: the threads that talk to callers, not those that compute."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

DECODING = 10
"""The niceness of what decodes: callers wait for some milliseconds at most, and it gets all that they leave."""
CHECKING = 5
"""The niceness of what checks: more is decoded when what was decoded is on its way, or answers would pile up before it.
"""

_T = TypeVar("_T")


def stand_back(niceness: int) -> None:
    """Lowers the priority of the calling thread by so much, and of those that it will start, for good.

    On Linux alone: elsewhere a thread has no priority of its own. Where a sandbox forbids it nothing changes.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.nice(niceness)


def call_standing_back(make: Callable[[], _T]) -> _T:
    """What a function returns, or raises; the threads that it starts stand back as what decodes does."""
    with ThreadPoolExecutor(1, initializer=stand_back, initargs=(DECODING,)) as pool:
        return pool.submit(make).result()
