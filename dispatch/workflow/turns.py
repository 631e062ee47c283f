"""Turns: what concerns one thing is done one at a time, and what concerns others at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from dispatch.engine import Overloaded

_MOST = 64
_RETRY_S = 1.0


@dataclass
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Turns:
    """Locks by key, of one event loop. A key that nobody wants takes no memory."""

    def __init__(self, most: int = _MOST) -> None:
        """``most`` may hold or wait for one key."""
        self._most = most
        self._turns: dict[str, _Turn] = {}

    @property
    def wanted(self) -> int:
        """Keys that somebody holds or waits for."""
        return len(self._turns)

    @asynccontextmanager
    async def hold(self, *keys: str) -> AsyncIterator[None]:
        """Wait for the keys in their order, and hold them; whoever holds several must name them in the same order.

        Raises Overloaded where too many wait for one.
        """
        async with AsyncExitStack() as stack:
            for key in keys:
                await stack.enter_async_context(self._hold(key))
            yield

    @asynccontextmanager
    async def _hold(self, key: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn())
        if turn.wanted >= self._most:
            raise Overloaded(_RETRY_S)
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
