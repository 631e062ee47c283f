"""What every interceptor needs that has a say in calls of all four kinds."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import grpc

from dispatch.server.errors import Context

Handler = Any
"""A grpc.RpcMethodHandler, whose fields the stubs leave out."""
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]
Around = Callable[[Context], AbstractAsyncContextManager[None]]
ForEach = Callable[[Any, Context], Awaitable[None]]


async def pass_on(message: Any, context: Context) -> None:
    """Nothing to do with a message."""


def surround(handler: Handler, around: Around, for_each: ForEach = pass_on) -> Handler:
    """The handler with each call inside `around`, which may abort it before the handler hears of it.

    The handler gets a request, or each of a stream of requests, when `for_each` has returned. A single request is
    parsed before `around` is entered only where the handler leaves parsing to gRPC.
    """

    async def begin(request: Any, context: Context) -> Any:
        if handler.request_streaming:
            request = _OneByOne(aiter(request), context, for_each)
        else:
            await for_each(request, context)
        return _behaviour(handler)(request, context)

    async def respond(request: Any, context: Context) -> Any:
        async with around(context):
            return await (await begin(request, context))

    async def stream(request: Any, context: Context) -> None:
        async with around(context):
            replies = await begin(request, context)
            if inspect.isawaitable(replies):  # it writes to the context itself
                await replies
                return
            async with aclosing(replies):
                async for reply in replies:
                    await context.write(reply)

    return _like(handler, stream if handler.response_streaming else respond)


class _OneByOne:
    """A stream of requests, each after something was done for it; goes on behind one that raised."""

    def __init__(self, requests: AsyncIterator[Any], context: Context, for_each: ForEach) -> None:
        self._requests = requests
        self._context = context
        self._for_each = for_each

    def __aiter__(self) -> "_OneByOne":
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        await self._for_each(request, self._context)
        return request


def _behaviour(handler: Handler) -> Callable[[Any, Context], Any]:
    """The one of the four that is there."""
    found: Callable[[Any, Context], Any] = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return found


def _like(handler: Handler, behaviour: Callable[[Any, Context], Any]) -> Handler:
    """A handler of the same kind that does something else."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
