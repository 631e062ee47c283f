"""How long an answer takes between its decoding and its reply: it must be decoded so much before a deadline."""

import threading
import time
from collections.abc import Callable

from dispatch.engine.pace import Tail

_HALF_LIFE_S = 10.0
"""Where nobody is admitted nothing is measured: what was believed fades, else one slow moment might refuse for ever."""


class Finishing:
    """What checking, commit and reply take at most, nearly always. Threads may share one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tail = Tail()
        self._noted_at = clock()

    @property
    def seconds(self) -> float:
        """What is expected now: half of it for every ten seconds in which nothing was measured."""
        with self._lock:
            return float(self._tail.value * 0.5 ** ((self._clock() - self._noted_at) / _HALF_LIFE_S))

    def note(self, decoded_at: float) -> None:
        """Takes one into account that was decoded at this moment and is finished, or given up, now."""
        with self._lock:
            self._noted_at = self._clock()
            self._tail.note(self._noted_at - decoded_at)
