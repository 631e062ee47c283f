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

    async def one_by_one(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            await for_each(request, context)
            yield request

    async def begin(request: Any, context: Context) -> Any:
        if handler.request_streaming:
            request = one_by_one(request, context)
        else:
            await for_each(request, context)
        return behaviour(handler)(request, context)

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

    return like(handler, stream if handler.response_streaming else respond)


def behaviour(handler: Handler) -> Callable[[Any, Context], Any]:
    """The one of the four that is there."""
    found: Callable[[Any, Context], Any] = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return found


def like(handler: Handler, behaviour: Callable[[Any, Context], Any]) -> Handler:
    """A handler of the same kind that does something else."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
