"""The batcher: requests that are in flight together are decoded together, urgent ones first, none beyond its time.

One thread decodes. Whoever hands a request in gets a ticket at once, or is refused at once; no method waits for the
decoding but `close`.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from dispatch.decoding import DecodingCancelled
from dispatch.engine.engine import Engine, Generation, GenerationRequest
from dispatch.engine.pace import Pace, Tail
from dispatch.engine.priority import DECODING, stand_back
from dispatch.engine.waiting import LANES as LANES
from dispatch.engine.waiting import BatcherConfig, Entry, Lane, Waiting

_LONGEST_DELAY = 3.0
"""The most that a wait is believed to take, in parts of what the pace says."""
_IN_TIME = 0.75
"""The part of the time until its deadline in which an answer must be expected: the rest is for what no pace foretells.
In a flood this costs no answer, for a shorter queue fills the batches as well."""
_FIRST_RETRY_S = 1.0
"""When to try again, as long as nothing was measured."""
_HALF_LIFE_S = 10.0
"""An idle batcher believes half as much in its measure after this time: else one slow moment might refuse for ever."""
_STOP_S = 10.0
"""What an engine that was told to stop may take for it before it is left alone."""

_CLOSED = "the server is closing, or the model was replaced"

logger = logging.getLogger(__name__)


class Overloaded(Exception):
    """Refused before any work: too much waits. In ``retry_after_s`` seconds what waits now will have been decoded."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many requests are waiting; try again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class DeadlineUnreachable(Exception):
    """Refused at once: the answer is expected in ``expected_s`` seconds, and the deadline is before or soon after that.

    The future has it with 0 where the deadline passed after all before there was an answer.
    """

    def __init__(self, expected_s: float) -> None:
        why = f"an answer takes about {expected_s:.1f} s, which is too long" if expected_s else "it has passed"
        super().__init__(f"the deadline cannot be met: {why}")
        self.expected_s = expected_s


class BatcherClosed(Exception):
    """The batcher takes no more requests; what it had was not decoded in time."""


@dataclass(frozen=True)
class BatchDone:
    """One decoded batch. ``waited_s`` has what each row waited before it; ``tokens`` are counted as for the limits."""

    rows: int
    tokens: int
    waited_s: tuple[float, ...]
    decode_s: float
    lanes: Mapping[Lane, int]
    """Rows by lane."""
    failed: int = 0
    """Rows that ended with an exception of the engine's."""
    stopped: int = 0
    """Rows whose caller had left, or whose deadline had passed, before there was an answer."""


@dataclass(frozen=True)
class Load:
    """What a batcher has to do at a moment."""

    waiting: Mapping[Lane, int]
    """Requests by lane."""
    waiting_tokens: Mapping[Lane, int]
    decoding: int
    """Rows of the batch that is being decoded."""
    alive: bool
    """Whether there is a thread that decodes."""


@dataclass(frozen=True)
class Ticket:
    """A request that was admitted. The future has its Generation, or what stood against it.

    Its exceptions: UnusableRequest, DeadlineUnreachable, BatcherClosed, or what the engine raised.
    """

    future: Future[Generation]
    ahead: int
    """Requests that were waiting before it: the urgent ones, and for a bulk request all."""

    def cancel(self) -> None:
        """Nobody wants the answer any more: it is dropped, or stops being decoded at the next step."""
        self.future.cancel()


_T = TypeVar("_T")
_Outcome = Generation | Exception | None


class Batcher:
    """Decodes requests in batches, in a thread of its own. Threads may share one."""

    def __init__(
        self,
        engine: Engine,
        config: BatcherConfig = BatcherConfig(),
        observe: Callable[[BatchDone], None] = lambda done: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``observe`` is told of each batch, in the decoding thread, after its requests were answered."""
        self._engine: Engine | None = engine
        self._config = config
        self._observe = observe
        self._clock = clock
        self._pace = Pace()
        self._delay = Tail(1.0, falling=0.004)  # what waits took, in parts of what was expected
        self._changed = threading.Condition()  # guards all below; no future is resolved while it is held
        self._waiting = Waiting(config)
        self._decoding: Sequence[Entry] = ()
        self._missed: deque[Entry] = deque(maxlen=config.max_waiting)  # in vain, since a batch was taken
        self._is_warm = False  # the first batch of an engine takes longer than any other
        self._together = False  # whether requests have been coming while others were decoded
        self._began = self._ended = clock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest, *, lane: Lane = "urgent", deadline: float | None = None) -> Ticket:
        """Hands in a request; ``deadline`` is a moment of time.monotonic().

        Raises Overloaded, DeadlineUnreachable, or BatcherClosed.
        """
        engine = self._engine
        if engine is None:
            raise BatcherClosed(_CLOSED)
        entry = self._entry(engine, request, lane, deadline)
        entry.future.add_done_callback(self._forget)
        return self._decide(entry, self._admit)

    def require_room(self, request: GenerationRequest, *, lane: Lane = "urgent", deadline: float | None = None) -> None:
        """Raises Overloaded or DeadlineUnreachable where `submit` would: so that nothing need be done for a request
        that would be refused.
        """
        engine = self._engine
        if engine is not None:
            self._decide(self._entry(engine, request, lane, deadline), self._refuse)

    def load(self) -> Load:
        """What there is to do now."""
        with self._changed:
            waiting: dict[Lane, int] = {lane: self._waiting.rows(lane) for lane in LANES}
            tokens: dict[Lane, int] = {lane: self._waiting.tokens(lane) for lane in LANES}
            return Load(waiting, tokens, len(self._decoding), self._thread.is_alive())

    def drain(self) -> None:
        """Takes nothing more. What was admitted is decoded still, and then the thread ends. Does not wait."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self, grace_s: float) -> None:
        """Takes nothing more, and returns when all is decoded; what is left after the grace fails with BatcherClosed.

        A second time does nothing.
        """
        self.drain()
        with self._changed:
            self._changed.wait_for(lambda: not (self._decoding or self._waiting), grace_s)
        self._abandon()
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_S)

    def _entry(self, engine: Engine, request: GenerationRequest, lane: Lane, deadline: float | None) -> Entry:
        """A request that comes now."""
        tokens = max(1, engine.token_count(request)) * request.decoding.width
        return Entry(request, lane, math.inf if deadline is None else deadline, tokens, self._clock())

    def _decide(self, entry: Entry, step: Callable[[Entry], _T]) -> _T:
        """Takes a step for an entry that comes now, with the lock held; what has expired leaves its room to it."""
        late: list[Entry] = []
        try:
            with self._changed:
                if not self._waiting.has_room(entry):
                    late = self._waiting.take_late(self._clock())
                    self._missed += late
                return step(entry)
        finally:
            _expire(late)

    # With the lock held.

    def _refuse(self, entry: Entry) -> None:
        """Raises where the entry cannot be admitted."""
        if not self._waiting.has_room(entry):
            backlog_s = self._believed(self._seconds_for(*self._waiting.backlog(entry.lane)))
            raise Overloaded(backlog_s if self._pace.is_known else _FIRST_RETRY_S)
        entry.expected_s = self._seconds_for(*self._waiting.backlog(entry.lane, 1, entry.tokens))
        expected_s = self._believed(entry.expected_s) * self._delay.value
        if expected_s >= _IN_TIME * (entry.deadline - entry.arrived):
            raise DeadlineUnreachable(expected_s)

    def _admit(self, entry: Entry) -> Ticket:
        if self._closing:
            raise BatcherClosed(_CLOSED)
        self._refuse(entry)
        ahead = sum(self._waiting.rows(lane) for lane in LANES[: LANES.index(entry.lane) + 1])
        self._waiting.add(entry)
        self._together |= bool(self._decoding)
        self._changed.notify_all()
        return Ticket(entry.future, ahead)

    def _seconds_for(self, batches: int, tokens: float) -> float:
        """When so much more will have been decoded, by the pace alone."""
        seconds = self._pace.seconds(tokens, batches)
        if not self._decoding:
            return seconds
        current = self._pace.seconds(sum(entry.tokens for entry in self._decoding))
        return seconds + max(0.0, current - (self._clock() - self._began))

    def _believed(self, seconds: float) -> float:
        """What an idle batcher still believes of them."""
        idle_s = 0.0 if self._decoding else self._clock() - self._ended
        return float(seconds * 0.5 ** (idle_s / _HALF_LIFE_S))

    def _note_delay(self, entries: Iterable[Entry], now: float) -> None:
        """Learns how far the pace may be trusted from those that have been decoded by now, or would have been."""
        for entry in entries:
            if entry.expected_s > 0:
                delay = (now - entry.arrived) / entry.expected_s
                self._delay.note(min(max(1.0, delay), _LONGEST_DELAY))

    def _window_left(self) -> float:
        """How long to wait for more."""
        if self._closing or not self._together or self._waiting.fills_a_batch():
            return 0.0
        return self._config.window_s - (self._clock() - max(self._waiting.oldest(), self._ended))

    # The decoding thread.

    def _run(self) -> None:
        stand_back(DECODING)
        try:
            while (taken := self._take()) is not None:
                self._decode(*taken)
        except BaseException as error:  # its text may quote a report
            logger.critical("the decoding thread was ended by %s; nothing is decoded any more", type(error).__name__)
        finally:  # whatever ended it, nobody may wait for an answer that never comes
            self.drain()
            self._abandon()
            with self._changed:
                self._decoding = ()
                self._changed.notify_all()
            self._engine = None  # its memory is wanted, whoever still holds the batcher

    def _take(self) -> tuple[list[Entry], list[Entry]] | None:
        """The next batch, which may be empty, and those that have waited for it in vain; None where none comes."""
        with self._changed:
            self._decoding = ()
            self._ended = self._clock()
            self._changed.notify_all()
            while True:
                if not self._waiting:
                    if self._closing:
                        return None
                    self._note_delay(self._missed, self._clock())  # no batch comes in which they would have been
                    self._missed.clear()
                    self._changed.wait()
                elif (left := self._window_left()) > 0:
                    self._changed.wait(left)
                else:
                    break
            late = self._waiting.take_late(self._clock())
            missed = [*self._missed, *late]
            self._missed.clear()
            batch = self._waiting.take_batch()
            self._decoding = batch
            self._together = len(batch) > 1
            self._began = self._clock()
        _expire(late)
        return batch, missed

    def _decode(self, batch: Sequence[Entry], missed: Sequence[Entry]) -> None:
        """``missed`` would have been decoded with the batch, at the earliest."""
        if not batch:
            with self._changed:
                self._note_delay(missed, self._clock())
            return
        began = self._began
        outcomes = self._generate(batch)
        done = self._clock()
        tokens = sum(entry.tokens for entry in batch)
        failed = sum(isinstance(outcome, Exception) for outcome in outcomes)
        stopped = sum(outcome is None for outcome in outcomes)
        with self._changed:
            if self._is_warm and not (failed or stopped):
                self._pace.note(tokens, done - began)
            self._is_warm = True
            self._note_delay([*missed, *batch], done)
        for entry, outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                entry.fail(DeadlineUnreachable(0.0) if done >= entry.deadline else DecodingCancelled())
            elif isinstance(outcome, Exception):
                entry.fail(outcome)
            else:
                entry.answer(outcome)
        lanes: dict[Lane, int] = {lane: sum(entry.lane == lane for entry in batch) for lane in LANES}
        waited = tuple(began - entry.arrived for entry in batch)
        self._tell(BatchDone(len(batch), tokens, waited, done - began, lanes, failed, stopped))

    def _generate(self, batch: Sequence[Entry]) -> list[_Outcome]:
        """What becomes of each. Where a batch fails, each of its requests is tried alone: most likely one is bad."""

        assert self._engine is not None
        try:
            outcomes: list[_Outcome] = [
                *self._engine.generate(
                    [entry.request for entry in batch], lambda index: batch[index].is_gone(self._clock())
                )
            ]
            if len(outcomes) != len(batch):
                raise RuntimeError(f"the engine gave {len(outcomes)} answers to {len(batch)} requests")
            return outcomes
        except Exception as error:
            if len(batch) == 1:
                return [error]
            name = type(error).__name__  # its text may quote a report
            logger.warning("a batch of %d failed with %s: each of its requests is tried alone", len(batch), name)
            return [outcome for entry in batch for outcome in self._generate([entry])]

    def _tell(self, done: BatchDone) -> None:
        try:
            self._observe(done)
        except Exception:
            logger.exception("what observes batches has failed")

    # Any thread, without the lock.

    def _forget(self, future: Future[Generation]) -> None:
        with self._changed:
            entry = self._waiting.discard(future)
            if entry is None:
                return
            if self._clock() >= entry.deadline:
                self._missed.append(entry)
            self._changed.notify_all()

    def _abandon(self) -> None:
        with self._changed:
            left = [*self._decoding, *self._waiting]
        for entry in left:
            entry.fail(BatcherClosed("the server closed before there was an answer"))


def _expire(late: Iterable[Entry]) -> None:
    for entry in late:
        entry.fail(DeadlineUnreachable(0.0))
