"""How much one client may ask for, so that none can take the service from the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from dispatch.server.authentication import NEEDS, current_caller
from dispatch.server.errors import Context, abort
from dispatch.server.interception import Continuation, Handler, for_each_request, surround
from dispatch.server.rates import TokenBuckets, address_of, rate_limited

_HEALTH_CALLS = 100


@dataclass(frozen=True)
class LimitsConfig:
    """What one client may ask for: one principal, or where nobody shows a token one address. Raises ValueError."""

    rate_per_s: float = 1000.0
    """Calls, and messages of a stream of requests, in the long run; 0 is no limit."""
    rate_burst: int = 2000
    """How many of them at once after a rest."""
    max_open_calls: int = 1000
    """Calls that are open at the same time, streams included."""
    max_message_bytes: int = 4 * 1024 * 1024
    """What gRPC reads of one message; longer ones it refuses itself."""

    def __post_init__(self) -> None:
        for name, least in (("rate_per_s", 0), ("rate_burst", 1), ("max_open_calls", 1), ("max_message_bytes", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: must be at least {least}, not {getattr(self, name):g}")


class Limits(grpc.aio.ServerInterceptor):
    """Refuses a call before any work where its client has used up what it may; reads its streams no faster than that.

    Stands behind `Authentication`, which says whose call it is. Health has no rate, or a busy client would look like a
    server that is away.
    """

    def __init__(self, config: LimitsConfig) -> None:
        self._config = config
        self._rates = TokenBuckets(config.rate_per_s, config.rate_burst) if config.rate_per_s else None
        self._open_calls: Counter[str] = Counter()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if NEEDS.get(handler_call_details.method) == "nothing":
            return surround(handler, self._of_anybody)
        if handler.request_streaming:
            handler = for_each_request(handler, self._pace)
        return surround(handler, self._admitted)

    @asynccontextmanager
    async def _admitted(self, context: Context) -> AsyncIterator[None]:
        if self._rates is not None and (wait_s := self._rates.take(_client(context))):
            await abort(context, rate_limited(f"more than {self._config.rate_per_s:g} calls a second", wait_s))
        async with self._counted(_client(context), self._config.max_open_calls, context):
            yield

    @asynccontextmanager
    async def _of_anybody(self, context: Context) -> AsyncIterator[None]:
        """Health: a few calls of each address, since each may bring a message that takes memory until it is read."""
        most = min(self._config.max_open_calls, _HEALTH_CALLS)
        async with self._counted(f"health of {_client(context)}", most, context):
            yield

    @asynccontextmanager
    async def _counted(self, client: str, most: int, context: Context) -> AsyncIterator[None]:
        if self._open_calls[client] >= most:
            await abort(context, rate_limited(f"more than {most} calls at once", wait_s=1.0))
        self._open_calls[client] += 1
        try:
            yield
        finally:
            self._open_calls[client] -= 1
            if not self._open_calls[client]:
                del self._open_calls[client]

    async def _pace(self, request: Any, context: Context) -> None:
        """Holds a message of a stream until its client may ask again: flow control then slows the sender down."""
        while self._rates is not None and (wait_s := self._rates.take(_client(context))):
            await asyncio.sleep(wait_s)


def _client(context: Context) -> str:
    caller = current_caller()
    return f"principal {caller.name}" if caller.authenticated else address_of(context.peer())
