"""Health: what is told of each part, when it changes, and that nothing keeps it from being told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.server.health import LIVE, MODEL, SERVICE, STORE, HealthConfig, HealthMonitor, Probes, Steady
from tests.server.calls import PATIENCE_S, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
QUICK = HealthConfig(interval_s=0.01, timeout_s=PATIENCE_S)


class Parts:
    """Parts that a test breaks and mends."""

    def __init__(self) -> None:
        self.store = self.model = self.assists = True
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    @property
    def probes(self) -> Probes:
        return Probes(self._check_store, lambda: self.model, lambda: self.assists)

    def _check_store(self) -> None:
        self.asked += 1
        assert self.answers.wait(PATIENCE_S)
        if not self.store:
            raise OSError


@pytest.fixture
def parts() -> Iterator[Parts]:
    parts = Parts()
    yield parts
    parts.answers.set()


@asynccontextmanager
async def serving(monitor: HealthMonitor) -> AsyncIterator[int]:
    """The port of a server that tells what a monitor sees."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(monitor.servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await monitor.start()
    try:
        yield port
    finally:
        await monitor.shut_down()
        await server.stop(None)


@asynccontextmanager
async def asking(monitor: HealthMonitor) -> AsyncIterator[Callable[[str], Any]]:
    """Asks a server for the status of a service."""
    async with serving(monitor) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def ask(service: str) -> Any:
            request = health_pb2.HealthCheckRequest(service=service)
            return (await stub.Check(request, timeout=PATIENCE_S)).status

        yield ask


@asynccontextmanager
async def watching(port: int, *services: str) -> AsyncIterator[list[Any]]:
    """A call for each service that is told of its changes."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        yield [stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S) for service in services]


async def test_all_is_well_from_the_start(parts: Parts) -> None:
    async with asking(HealthMonitor(parts.probes)) as ask:
        assert [await ask(service) for service in (LIVE, SERVICE, MODEL, STORE)] == [SERVING] * 4


async def test_a_store_that_is_lost_is_no_reason_to_restart_the_server(parts: Parts) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    async with asking(monitor) as ask:
        parts.store = False
        await until(lambda: not monitor.parts["store"])
        assert [await ask(service) for service in (LIVE, SERVICE, MODEL, STORE)] == [
            SERVING,
            NOT_SERVING,
            SERVING,
            NOT_SERVING,
        ]
        parts.store = True
        await until(lambda: monitor.parts["service"])
        assert await ask(STORE) == SERVING


async def test_without_a_model_nothing_is_answered_except_in_pass_through(parts: Parts) -> None:
    parts.model = False
    monitor = HealthMonitor(parts.probes, QUICK)
    async with asking(monitor) as ask:
        assert [await ask(MODEL), await ask(SERVICE)] == [NOT_SERVING, NOT_SERVING]
        parts.assists = False
        await until(lambda: monitor.parts["service"])
        assert [await ask(MODEL), await ask(SERVICE)] == [NOT_SERVING, SERVING]


async def test_a_store_that_hangs_is_lost_and_holds_up_nobody(parts: Parts) -> None:
    parts.answers.clear()
    monitor = HealthMonitor(parts.probes, HealthConfig(interval_s=0.005, timeout_s=0.01))
    async with asking(monitor) as ask:
        assert [await ask(LIVE), await ask(STORE)] == [SERVING, NOT_SERVING]
        asked = parts.asked
        await asyncio.sleep(0.1)
        assert parts.asked == asked == 1  # no second thread while the first one hangs
        parts.answers.set()
        await until(lambda: monitor.parts["store"])


async def test_the_pool_of_the_event_loop_may_be_full(parts: Parts) -> None:
    release = threading.Event()
    busy = [asyncio.get_running_loop().run_in_executor(None, release.wait, PATIENCE_S) for _ in range(64)]
    try:
        async with asking(HealthMonitor(parts.probes)) as ask:
            assert await ask(STORE) == SERVING
    finally:
        release.set()
        await asyncio.gather(*busy)


async def test_after_shutting_down_nothing_is_well_for_good(parts: Parts) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    async with asking(monitor) as ask:
        await monitor.shut_down()
        asked = parts.asked
        await asyncio.sleep(0.1)
        assert parts.asked == asked
        assert [await ask(service) for service in (LIVE, SERVICE, MODEL, STORE)] == [NOT_SERVING] * 4
        assert not any(monitor.parts.values())


@pytest.mark.parametrize("turns", range(6))
async def test_shutting_down_ends_a_look_in_whatever_turn_of_the_loop_it_ends_itself(parts: Parts, turns: int) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    await monitor.start()
    parts.answers.clear()
    asked = parts.asked
    await until(lambda: parts.asked > asked)
    parts.answers.set()
    for thread in threading.enumerate():
        if thread.name == "store-health":
            thread.join(PATIENCE_S)  # in the event loop, which hears of it afterwards
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.wait_for(monitor.shut_down(), PATIENCE_S)


def test_one_bad_look_changes_nothing_and_looks_must_be_in_a_row() -> None:
    store = Steady(failures=2, successes=3)
    seen = []
    for well in (True, False, True, False, False, True, True, False, True, True, True):
        store.report(well)
        seen.append(store.is_well)
    assert seen == [True, True, True, True, False, False, False, False, False, False, True]


@pytest.mark.parametrize("bad", [{"interval_s": 0}, {"timeout_s": -1}, {"failures": 0}, {"successes": 0}])
def test_numbers_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        HealthConfig(**bad)


async def test_names_longer_than_any_service_has_are_refused_and_not_kept(parts: Parts) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    async with asking(monitor) as ask:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask("a" * 201)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Of HTTP/2 (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def unread_watch(service: str) -> bytes:
    """What a client sends that watches a service and permits not one byte of the answer."""
    metadata = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Watch",
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    headers = b"".join(
        b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in pair) for pair in metadata.items()
    )
    message = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    no_window = (4).to_bytes(2) + (0).to_bytes(4)
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(4, 0, 0, no_window)
        + frame(1, 4, 1, headers)
        + frame(0, 1, 1, b"\0" + len(message).to_bytes(4) + message)
    )


async def test_who_watches_and_does_not_read_holds_up_nobody(parts: Parts) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    async with serving(monitor) as port, watching(port, STORE) as (watch,):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(unread_watch(STORE))
        assert (await watch.read()).status == SERVING
        await asyncio.sleep(0.1)  # the other watch has begun by now, and its first answer waits to be read
        parts.store = False
        assert (await watch.read()).status == NOT_SERVING
        await asyncio.wait_for(monitor.shut_down(), PATIENCE_S)
        writer.close()


async def test_who_watches_is_told_of_each_change_until_the_end(parts: Parts) -> None:
    monitor = HealthMonitor(parts.probes, QUICK)
    async with serving(monitor) as port, watching(port, LIVE, STORE, "other") as (live, store, other):
        told = [(await watch.read()).status for watch in (live, store, other)]
        assert told == [SERVING, SERVING, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN]
        parts.store = False
        assert (await store.read()).status == NOT_SERVING
        parts.store = True
        assert (await store.read()).status == SERVING
        await monitor.shut_down()
        assert [(await watch.read()).status for watch in (live, store)] == [NOT_SERVING, NOT_SERVING]


async def test_a_look_that_fails_by_itself_is_not_the_last(parts: Parts) -> None:
    looks = 0

    def has_model() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise RuntimeError
        return looks < 2

    async with asking(HealthMonitor(Probes(lambda: None, has_model), QUICK)) as ask:
        await until(lambda: looks > 3)
        assert await ask(MODEL) == NOT_SERVING


async def test_without_a_thread_to_look_at_the_store_it_is_lost(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monitor = HealthMonitor(parts.probes, QUICK)
    async with asking(monitor) as ask:
        assert await ask(STORE) == SERVING
        with monkeypatch.context() as changed:
            changed.setattr(threading.Thread, "start", start)
            await until(lambda: not monitor.parts["store"])
        await until(lambda: monitor.parts["store"])
