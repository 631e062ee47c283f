"""What stands around every call, of whichever kind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from dispatch.server.errors import Context, Failure, abort
from dispatch.server.interception import Around, surround
from dispatch.v1.dispatch_service_pb2 import StreamInstructionRequest
from tests.server.every_method import METHODS, PATIENCE_S, EveryMethod, call, details, outcome, serving

GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"
STREAM = "/dispatch.v1.DispatchService/StreamInstruction"


class Surrounding(grpc.aio.ServerInterceptor):
    def __init__(self, around: Around) -> None:
        self._around = around

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return surround(await continuation(handler_call_details), self._around)


class Log:
    """Remembers how calls begin and end."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @asynccontextmanager
    async def around(self, context: Context) -> AsyncIterator[None]:
        self.lines.append("begin")
        try:
            yield
        finally:
            self.lines.append("end")


@asynccontextmanager
async def refuse(context: Context) -> AsyncIterator[None]:
    await abort(context, Failure(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "no"))
    yield


@pytest.fixture
def handler() -> EveryMethod:
    return EveryMethod()


@asynccontextmanager
async def connected(handler: EveryMethod, around: Around) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(handler, [Surrounding(around)]) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_of_every_kind_is_surrounded_and_answered(handler: EveryMethod, method: str) -> None:
    log = Log()
    async with connected(handler, log.around) as channel:
        assert await call(channel, method, data=b"x", times=3) == [b""]
    assert log.lines == ["begin", "end"]
    assert handler.parsed == [b"x"] * (3 if METHODS[method][0] else 1)


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_is_refused_before_its_request_has_come(handler: EveryMethod, method: str) -> None:
    async with connected(handler, refuse) as channel:
        opened: Any = channel.stream_stream(method)(timeout=PATIENCE_S)
        assert await opened.code() == grpc.StatusCode.PERMISSION_DENIED
    assert (handler.reached, handler.parsed) == ([], [])


@pytest.mark.parametrize("method", [GENERATE, STREAM])
async def test_a_call_without_its_request_is_the_callers_fault(handler: EveryMethod, method: str) -> None:
    async with connected(handler, Log().around) as channel:
        opened: Any = channel.stream_stream(method)(iter([]), timeout=PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await opened.read()
    assert details(caught.value)[0].reason == "MALFORMED_MESSAGE"


async def test_a_request_that_is_no_message_is_the_callers_fault(handler: EveryMethod) -> None:
    handler.parse = StreamInstructionRequest.FromString
    async with connected(handler, Log().around) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, STREAM, data=b"\xff\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(caught.value)[0].reason == "MALFORMED_MESSAGE"


async def test_what_surrounds_a_call_ends_when_its_caller_leaves(handler: EveryMethod) -> None:
    log, begun = Log(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    handler.before = wait
    async with connected(handler, log.around) as channel:
        under_way = asyncio.create_task(outcome(channel, GENERATE))
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        under_way.cancel()
        async with asyncio.timeout(PATIENCE_S):
            while log.lines != ["begin", "end"]:
                await asyncio.sleep(0.01)
