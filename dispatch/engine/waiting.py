"""What waits to be decoded, by lane, and which of it is decoded next. Knows no threads and no time but what it is told.

A batch is filled with what bulk is owed, then with what is urgent, then with bulk where nothing urgent is left waiting.
"""

import math
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from dispatch.engine.engine import Generation, GenerationRequest

Lane = Literal["urgent", "bulk"]
LANES: tuple[Lane, ...] = ("urgent", "bulk")


@dataclass(frozen=True)
class BatcherConfig:
    """Sizes and limits. Raises ValueError for one that is out of its range.

    A request counts for the tokens of its source, times the hypotheses that its search keeps.
    """

    max_batch_tokens: int = 4096
    """The most tokens decoded together; a request that has more is decoded alone."""
    max_batch_rows: int = 32
    window_s: float = 0.002
    """How long a batch with room waits for others, where requests have been coming together."""
    max_waiting: int = 256
    """The most requests that wait, in each lane: bulk never takes the room of what is urgent."""
    max_waiting_tokens: int = 65_536
    """The most tokens that wait, in each lane; into an empty lane any request is let."""
    bulk_share: float = 0.25
    """The part of the tokens that bulk gets at least while it waits."""

    def __post_init__(self) -> None:
        for name in ("max_batch_tokens", "max_batch_rows", "max_waiting", "max_waiting_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not 0 <= self.window_s <= 1:
            raise ValueError(f"window_s must be from 0 to 1, not {self.window_s}")
        if not 0 < self.bulk_share < 1:
            raise ValueError(f"bulk_share must be above 0 and below 1, not {self.bulk_share}")


@dataclass(eq=False)
class Entry:
    """One request on its way. Its future is done as soon as nobody waits for it any more, for whatever reason."""

    request: GenerationRequest
    lane: Lane
    deadline: float
    tokens: int
    arrived: float
    expected_s: float = 0.0
    """After its arrival it was expected to be decoded, by the pace alone; 0 where nothing was known."""
    future: Future[Generation] = field(default_factory=Future)

    def is_gone(self, now: float) -> bool:
        """Whether nobody wants the answer, or it would be late."""
        return self.future.done() or now >= self.deadline

    def fail(self, error: BaseException) -> None:
        """Ends the waiting, if it has not ended."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)

    def answer(self, generation: Generation) -> None:
        """Ends the waiting, if it has not ended."""
        with suppress(InvalidStateError):
            self.future.set_result(generation)


_Queue = dict[Future[Generation], Entry]


class Waiting:
    """The entries that wait, oldest first in each lane."""

    def __init__(self, config: BatcherConfig) -> None:
        self._config = config
        self._queues: dict[Lane, _Queue] = {lane: {} for lane in LANES}
        self._tokens: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._soonest = math.inf  # no deadline is before this
        self._owed = 0.0  # tokens that bulk is behind its share

    def __iter__(self) -> Iterator[Entry]:
        return chain.from_iterable(queue.values() for queue in self._queues.values())

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def rows(self, lane: Lane) -> int:
        """Requests in a lane."""
        return len(self._queues[lane])

    def tokens(self, lane: Lane) -> int:
        """Tokens in a lane."""
        return self._tokens[lane]

    def has_room(self, entry: Entry) -> bool:
        """Whether the entry may wait too."""
        rows, tokens = self.rows(entry.lane), self.tokens(entry.lane) + entry.tokens
        return rows < self._config.max_waiting and (not rows or tokens <= self._config.max_waiting_tokens)

    def fills_a_batch(self) -> bool:
        """Whether waiting longer would not make the next batch larger, if all that is here goes together."""
        config = self._config
        return len(self) >= config.max_batch_rows or sum(self._tokens.values()) >= config.max_batch_tokens

    def oldest(self) -> float:
        """When the first of those that wait has come; infinite where none does."""
        return min((next(iter(queue.values())).arrived for queue in self._queues.values() if queue), default=math.inf)

    def backlog(self, lane: Lane, rows: int = 0, tokens: float = 0.0) -> tuple[int, float]:
        """How many batches, and tokens in them, are decoded until this much more of a lane is."""
        rows += self.rows("urgent")
        tokens += self.tokens("urgent")
        if lane == "bulk":
            rows += self.rows("bulk")
            tokens += self.tokens("bulk")
        elif self.rows("bulk"):
            tokens /= 1 - self._config.bulk_share
        config = self._config
        return max(math.ceil(rows / config.max_batch_rows), math.ceil(tokens / config.max_batch_tokens)), tokens

    def add(self, entry: Entry) -> None:
        """Has an entry wait, whether there is room or not."""
        self._queues[entry.lane][entry.future] = entry
        self._tokens[entry.lane] += entry.tokens
        self._soonest = min(self._soonest, entry.deadline)

    def discard(self, future: Future[Generation]) -> Entry | None:
        """The entry that was taken out; None where it was not there."""
        for lane, queue in self._queues.items():
            if entry := queue.pop(future, None):
                self._tokens[lane] -= entry.tokens
                return entry
        return None

    def take_late(self, now: float) -> list[Entry]:
        """Takes out those whose deadline has passed."""
        if now < self._soonest:
            return []
        late = [entry for entry in self if now >= entry.deadline]
        for entry in late:
            self.discard(entry.future)
        self._soonest = min((entry.deadline for entry in self), default=math.inf)
        return late

    def take_batch(self) -> list[Entry]:
        """Takes out the next batch. The first that comes settles the options; others wait for a batch of their own."""
        urgent, bulk = self._queues["urgent"], self._queues["bulk"]
        both = bool(urgent and bulk)
        batch: list[Entry] = []
        if both and next(iter(bulk.values())).tokens <= self._owed:
            self._move(bulk, batch, self._owed)
        self._move(urgent, batch)
        if not urgent:
            self._move(bulk, batch)
        if both:
            of_bulk = sum(entry.tokens for entry in batch if entry.lane == "bulk")
            self._owed += self._config.bulk_share * sum(entry.tokens for entry in batch) - of_bulk
        self._owed = max(0.0, self._owed) if bulk else 0.0
        return batch

    def _move(self, queue: _Queue, batch: list[Entry], most: float = math.inf) -> None:
        """Moves what has the batch's options and fits into the budget, oldest first; anything into an empty batch."""
        left = min(most, self._config.max_batch_tokens - sum(entry.tokens for entry in batch))
        options = batch[0].request.decoding if batch else None
        moved: list[Entry] = []
        for entry in queue.values():
            if left <= 0 or len(batch) + len(moved) == self._config.max_batch_rows:
                break
            options = options or entry.request.decoding
            if not (batch or moved) or (entry.tokens <= left and entry.request.decoding == options):
                moved.append(entry)
                left -= entry.tokens
        for entry in moved:
            self.discard(entry.future)
        batch += moved
