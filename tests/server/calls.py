"""A server whose handlers do as a test says, with all of the telemetry around them."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dispatch.server.logs import configure_logs
from dispatch.server.messages import MessageGuard
from dispatch.server.telemetry import Telemetry
from dispatch.v1.dispatch_service_pb2_grpc import (
    DispatchServiceServicer,
    DispatchServiceStub,
    add_DispatchServiceServicer_to_server,
)

PATIENCE_S = 20.0


async def refuse(request: Any, context: Any) -> Any:
    raise AssertionError("not expected to be called")


async def refuse_stream(request: Any, context: Any) -> AsyncIterator[Any]:
    raise AssertionError("not expected to be called")
    yield


@dataclass
class ScriptedService(DispatchServiceServicer):
    """Each method does what its field does."""

    generate: Callable[[Any, Any], Awaitable[Any]] = refuse
    stream: Callable[[Any, Any], AsyncIterator[Any]] = refuse_stream
    translate: Callable[[Any, Any], AsyncIterator[Any]] = refuse_stream

    async def GenerateInstruction(self, request: Any, context: Any) -> Any:
        return await self.generate(request, context)

    async def StreamInstruction(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for reply in self.stream(request, context):
            yield reply

    async def ExplainInstruction(self, request: Any, context: Any) -> Any:
        return await refuse(request, context)

    async def ListModels(self, request: Any, context: Any) -> Any:
        return await refuse(request, context)

    async def TranslateReports(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for reply in self.translate(request_iterator, context):
            yield reply


@asynccontextmanager
async def connected(
    service: ScriptedService, telemetry: Telemetry, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that reaches the service; the server has ended behind it. ``interceptors`` are the client's."""
    server = grpc.aio.server(interceptors=(telemetry.first, MessageGuard(), telemetry.last))
    add_DispatchServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=interceptors) as channel:
            yield channel
    finally:
        await server.stop(PATIENCE_S)  # a call ends on the server behind its end for the client


@asynccontextmanager
async def serving(service: ScriptedService, telemetry: Telemetry) -> AsyncIterator[Any]:
    """A stub that reaches the service; the server has ended behind it."""
    async with connected(service, telemetry) as channel:
        yield DispatchServiceStub(channel)


class Reading:
    """The values that Prometheus reads in a text, by name and labels."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, /, **labels: str) -> float | None:
        return self._values.get((name, frozenset(labels.items())))

    @classmethod
    def of(cls, telemetry: Telemetry) -> "Reading":
        return cls(generate_latest(telemetry.metrics.registry).decode())


class Kept(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)

    def named(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the server does behind the end of a call, as its client sees it."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


@contextmanager
def logged(log_format: Any = "json", level: str = "debug") -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the log so far, by a function."""
    root, stream, hook = logging.getLogger(), io.StringIO(), threading.excepthook
    handlers, old_level = root.handlers[:], root.level
    configure_logs(log_format, level, stream)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        root.handlers, threading.excepthook = handlers, hook
        root.setLevel(old_level)
