"""The clock: a draft of the highest priority that nobody takes in time is an alarm, and then its report goes out.

What goes out is the report as it came in, never the draft, in its place among the decisions; the draft stays in the
queue. Nothing that the clock does hangs on this process: the store says what is due and what was done.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from dispatch.store import Overdue, OverdueInstruction, Store, StoreError

_MOST_SHOWN = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClockConfig:
    """When the clock does what. Raises ValueError for a time that is out of its range."""

    escalate_after_s: float = 60.0
    """From the alarm to the report's going out, if still nobody has taken it."""
    interval_s: float = 1.0
    """From one look at the queue to the next."""

    def __post_init__(self) -> None:
        if not self.escalate_after_s >= 0:
            raise ValueError(f"escalate_after_s must be 0 or more, not {self.escalate_after_s:g}")
        if not self.interval_s > 0:
            raise ValueError(f"interval_s must be above 0, not {self.interval_s:g}")


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What one look has come to."""

    alarmed: tuple[str, ...]
    """The instructions of which this look was the first to tell."""
    escalated: tuple[str, ...]
    """Those whose reports this look has given out."""
    overdue: int
    """How many are overdue now, told of before or not."""


class Clock:
    """Looks at a store again and again, in a thread of its own; several servers may do so with one store."""

    def __init__(
        self, store: Store, config: ClockConfig = ClockConfig(), observe: Callable[[Tick], None] = lambda tick: None
    ) -> None:
        """``observe`` is told of each look, in that thread."""
        self._overdue = Overdue(store.database)
        self._config = config
        self._observe = observe
        self._is_lost = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def tick(self) -> Tick:
        """Look once. Raises StoreError; what was done before that is done."""
        after = timedelta(seconds=self._config.escalate_after_s)
        escalated = self._overdue.escalate(after)  # before the alarms: nothing goes out at the look that tells of it
        alarmed = self._overdue.alarm()
        for name in alarmed:
            logger.warning("nobody has taken an instruction in time", extra={"instruction": name})
        for name in escalated:
            logger.warning("the report of an instruction goes out as it came", extra={"instruction": name})
        return Tick(alarmed=tuple(alarmed), escalated=tuple(escalated), overdue=self._overdue.count())

    @contextmanager
    def running(self) -> Iterator[None]:
        """It looks while one is inside; at the end the look that is going on is waited for. Once for each clock."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._config.interval_s):
            try:
                self._observe(self.tick())
                self._is_lost = False
            except StoreError:
                if not self._is_lost:  # once: what is wrong with the store is told elsewhere, again and again
                    logger.warning("the clock cannot use the store, so nothing is told of or goes out")
                self._is_lost = True
            except Exception:
                logger.exception("the clock has failed; it goes on")


def overdue(store: Store, limit: int = _MOST_SHOWN) -> list[OverdueInstruction]:
    """What the alarms are about, and nobody has taken since; the oldest first. Raises StoreError."""
    return Overdue(store.database).find(limit=limit)
