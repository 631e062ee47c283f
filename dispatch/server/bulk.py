"""Bulk calls: some items are worked on together, answers keep their order, and what is not yet wanted is not read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from dispatch.server.errors import MalformedMessage

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Window(Generic[Item, Answer]):
    """A stream of items and its answers; at most ``size`` items are between being read and having their answer taken.

    An item that cannot be read is answered as the MalformedMessage that it raised.
    """

    def __init__(
        self,
        items: AsyncIterator[Item],
        answer: Callable[[Item | MalformedMessage], Awaitable[Answer]],
        size: int,
        closing: asyncio.Event,
    ) -> None:
        """``closing`` ends the reading; what was read is answered still."""
        self._items = items
        self._answer = answer
        self._closing = closing
        self._room = asyncio.Semaphore(size)
        self._begun: asyncio.Queue[asyncio.Future[Answer] | None] = asyncio.Queue()
        self._working: set[asyncio.Future[Answer]] = set()
        self.was_cut_short = False
        """Whether the reading ended before the stream did."""

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """The answers in the order of the items; whoever asks for the next one makes room for another item."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stop(reading))
        try:
            while (work := await self._begun.get()) is not None:
                yield await work
                self._working.discard(work)
                self._room.release()
            if not reading.cancelled():
                reading.result()  # raises what the stream raised
        finally:
            tasks: list[asyncio.Future[Any]] = [stopping, reading, *self._working]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                try:
                    item: Item | MalformedMessage = await anext(self._items)
                except StopAsyncIteration:
                    return
                except MalformedMessage as error:
                    item = error
                work = asyncio.ensure_future(self._answer(item))
                self._working.add(work)
                self._begun.put_nowait(work)
        finally:
            self._begun.put_nowait(None)

    async def _stop(self, reading: asyncio.Task[None]) -> None:
        await self._closing.wait()
        if not reading.done():
            self.was_cut_short = True
            reading.cancel()
