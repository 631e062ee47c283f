"""A server that has every method there is, and calls of all four kinds without the messages' types."""

import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

import dispatch.v1
from dispatch.server.authentication import Caller, current_caller

Kind = tuple[bool, bool]
"""Whether the requests are a stream, and whether the replies are."""
PATIENCE_S = 20.0


def _modules() -> Iterator[Any]:
    yield from (health_pb2, reflection_pb2)
    for module in pkgutil.iter_modules(dispatch.v1.__path__):
        if module.name.endswith("_pb2"):
            yield import_module(f"dispatch.v1.{module.name}")


METHODS: dict[str, Kind] = {
    f"/{service.full_name}/{method.name}": (method.client_streaming, method.server_streaming)
    for module in _modules()
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
HEALTH = {method for method in METHODS if method.startswith("/grpc.health.")}
GUARDED = sorted(set(METHODS) - HEALTH)


class EveryMethod(grpc.GenericRpcHandler):
    """Answers each method with one empty message, when `before` has returned, and remembers who called it."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, Caller]] = []
        self.parsed: list[bytes] = []
        self.parse: Callable[[bytes], Any] = bytes
        self.before: Callable[[], Any] | None = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        if method not in METHODS:
            return None

        async def one(request: Any, context: Any) -> bytes:
            self.reached.append((method, current_caller()))
            if METHODS[method][0]:
                await context.send_initial_metadata(())
                async for _ in request:
                    pass
            if self.before is not None:
                await self.before()
            return b""

        async def many(request: Any, context: Any) -> AsyncIterator[bytes]:
            yield await one(request, context)

        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[METHODS[method]]
        return make(many if METHODS[method][1] else one, self._parse)

    def _parse(self, data: bytes) -> Any:
        self.parsed.append(data)
        return self.parse(data)


@asynccontextmanager
async def serving(
    handler: EveryMethod, interceptors: Sequence[Any] = (), credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """The address of a server while the context lasts."""
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers((handler,))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def call(
    channel: grpc.aio.Channel, method: str, *, secret: str = "", data: bytes = b"", times: int = 1
) -> list[bytes]:
    """The replies; raises AioRpcError. A stream of requests has `data` as often as it is asked for."""
    requests, replies = METHODS[method]
    make: Any = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[requests, replies]
    metadata = [("authorization", f"Bearer {secret}")] if secret else []

    async def sent() -> AsyncIterator[bytes]:
        await under_way.initial_metadata()  # or it was refused: what is sent then would hide why
        for _ in range(times):
            yield data

    under_way = make(method)(sent() if requests else data, metadata=metadata, timeout=PATIENCE_S)
    return [reply async for reply in under_way] if replies else [await under_way]


async def outcome(channel: grpc.aio.Channel, method: str, secret: str = "") -> str:
    """OK, or status and reason such as `UNAUTHENTICATED UNAUTHENTICATED`."""
    try:
        await call(channel, method, secret=secret)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {details(error)[0].reason}"
    return "OK"


def details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo, RetryInfo]:
    """Empty where the error has none."""
    info, retry = ErrorInfo(), RetryInfo()
    status = rpc_status.from_call(error)
    for item in status.details if status else ():
        item.Unpack(info)
        item.Unpack(retry)
    return info, retry
