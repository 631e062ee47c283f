"""Whether a call that was refused is made again, and when.

The service config repeats what found no server (UNAVAILABLE), but it cannot tell a busy server, which says when to come
back, from a call that will never fit: both are RESOURCE_EXHAUSTED. So these are repeated here.
"""

import random
import time

from dispatch.client.connection import MAX_ATTEMPTS
from dispatch.client.errors import DispatchError

_SPREAD = 0.25  # of the delay, at random, so that those who were refused together do not come back together


class Patience:
    """The time that one call has, over all its attempts."""

    def __init__(self, timeout_s: float) -> None:
        self._ends = time.monotonic() + timeout_s
        self._refused = 0

    def left_s(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    def delay_s(self, error: DispatchError) -> float | None:
        """How long to wait before the next attempt; None where there must be none, or it would come too late."""
        self._refused += 1
        if error.code != "RESOURCE_EXHAUSTED" or error.retry_after_s is None or self._refused == MAX_ATTEMPTS:
            return None
        delay = error.retry_after_s * random.uniform(1.0, 1.0 + _SPREAD)
        return delay if delay < self.left_s() else None
