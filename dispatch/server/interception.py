"""What every interceptor needs that has a say in calls of all four kinds."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from dispatch.server.errors import Context, abort, invalid_argument, write

Handler = Any
"""A grpc.RpcMethodHandler, whose fields the stubs leave out."""
Behaviour = Callable[[Any, Context], Any]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]
Around = Callable[[Context], AbstractAsyncContextManager[None]]
ForEach = Callable[[Any, Context], Awaitable[None]]


def surround(handler: Handler, around: Around) -> Handler:
    """The handler with each call inside `around`, which may abort it before anything of its request is read.

    That makes every method one with a stream of requests: gRPC waits for a single request, and parses it, before it
    hands over the call, and would do so for anybody.
    """

    async def begin(requests: Any, context: Context) -> Any:
        request = requests if handler.request_streaming else await _read_only(handler, context)
        return _behaviour(handler)(request, context)

    async def respond(requests: Any, context: Context) -> Any:
        async with around(context):
            return await (await begin(requests, context))

    async def stream(requests: Any, context: Context) -> None:
        async with around(context):
            await send(await begin(requests, context), context)

    deserializer = handler.request_deserializer if handler.request_streaming else None
    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, deserializer, handler.response_serializer)
    return grpc.stream_unary_rpc_method_handler(respond, deserializer, handler.response_serializer)


def for_each_request(handler: Handler, do: ForEach) -> Handler:
    """The handler, of the same kind, which gets its request, or each of a stream of them, when `do` has returned."""

    async def begin(request: Any, context: Context) -> Any:
        if handler.request_streaming:
            request = _OneByOne(aiter(request), context, do)
        else:
            await do(request, context)
        return _behaviour(handler)(request, context)

    async def respond(request: Any, context: Context) -> Any:
        return await (await begin(request, context))

    async def stream(request: Any, context: Context) -> None:
        await send(await begin(request, context), context)

    return _like(handler, stream if handler.response_streaming else respond)


def tap(handler: Handler, at_begin: Callable[[Any], None], at_reply: Callable[[Any], None]) -> Handler:
    """The handler, of the same kind: ``at_begin`` is told its request, or its stream of them, before it begins, and
    ``at_reply`` each reply before it leaves; none that the handler writes to the context itself."""

    async def respond(request: Any, context: Context) -> Any:
        at_begin(request)
        reply = await _behaviour(handler)(request, context)
        at_reply(reply)
        return reply

    async def told(replies: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        async with aclosing(replies):
            async for reply in replies:
                at_reply(reply)
                yield reply

    async def stream(request: Any, context: Context) -> None:
        at_begin(request)
        replies = _behaviour(handler)(request, context)
        await send(replies if inspect.isawaitable(replies) else told(replies), context)

    return _like(handler, stream if handler.response_streaming else respond)


class _OneByOne:
    """A stream of requests, each after something was done for it; goes on behind one that raised."""

    def __init__(self, requests: AsyncIterator[Any], context: Context, do: ForEach) -> None:
        self._requests = requests
        self._context = context
        self._do = do

    def __aiter__(self) -> "_OneByOne":
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        await self._do(request, self._context)
        return request


def _behaviour(handler: Handler) -> Behaviour:
    """The one of the four that is there."""
    found: Behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    return found


def _like(handler: Handler, behaviour: Behaviour) -> Handler:
    """A handler of the same kind that does something else."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


async def send(replies: Any, context: Context) -> None:
    """Sends what a handler of a stream of replies gives one by one, and closes it at once where the call ends before it
    does; such a handler may also write to the context itself."""
    if inspect.isawaitable(replies):
        await replies
        return
    async with aclosing(replies):
        async for reply in replies:
            await write(context, reply)


async def _read_only(handler: Handler, context: Context) -> Any:
    """The one request of a call."""
    data = await context.read()
    if data is grpc.aio.EOF:
        await abort(context, invalid_argument("MALFORMED_MESSAGE", "the call ended before its request"))
    try:
        return data if handler.request_deserializer is None else handler.request_deserializer(data)
    except DecodeError:
        await abort(context, invalid_argument("MALFORMED_MESSAGE", "the request cannot be read"))
