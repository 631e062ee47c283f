"""Start and stop: where it may listen, what it says of its health, and that nothing in flight is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dispatch.engine import Registry
from dispatch.server import ConnectionConfig, DispatchServer, ServerConfig
from dispatch.server.admin_service import AdminService
from dispatch.server.errors import SHUTTING_DOWN
from dispatch.store import Audit, Store
from dispatch.store.database import Database
from dispatch.v1.admin_service_pb2 import SetServingModeRequest
from dispatch.v1.admin_service_pb2_grpc import AdminServiceStub
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, StreamInstructionRequest
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.workflow import LiveIntake, ServingMode
from tests.server.calls import until

ROOT = Path(__file__).parents[2]
REQUEST = GenerateInstructionRequest(report="3人被困")
PATIENCE_S = 60.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.0.1:50051", "localhost:50051", "[::1]:50051"])
def test_loopback_needs_no_permission(listen: str) -> None:
    assert ServerConfig(listen).listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:50051", "dispatch.example:50051"])
def test_other_addresses_need_insecure(listen: str) -> None:
    with pytest.raises(ValueError, match="--insecure"):
        ServerConfig(listen)
    assert ServerConfig(listen, insecure=True).listen == listen


async def test_an_address_in_use_is_an_error(address: str, intake: LiveIntake) -> None:
    second = DispatchServer(ServerConfig(address), intake)
    with pytest.raises(OSError, match=address):
        await second.start()
    await second.stop()


@pytest.mark.parametrize("service", ["", "dispatch.v1.DispatchService"])
async def test_health_is_serving(channel: grpc.aio.Channel, service: str) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING


async def test_reflection_lists_the_service_and_its_file(channel: grpc.aio.Channel) -> None:
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    Ask = reflection_pb2.ServerReflectionRequest
    asked = [Ask(list_services=""), Ask(file_containing_symbol="dispatch.v1.DispatchService")]
    listed, found = [reply async for reply in reflection.ServerReflectionInfo(iter(asked))]
    names = {service.name for service in listed.list_services_response.service}
    assert {"dispatch.v1.DispatchService", "grpc.health.v1.Health"} <= names
    assert len(found.file_descriptor_response.file_descriptor_proto) > 0


async def test_reflection_can_be_switched_off(intake: LiveIntake) -> None:
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05, reflection=False), intake)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [reply async for reply in reflection.ServerReflectionInfo(iter(asked))]
    await server.stop()
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_what_connections_are_told_is_in_milliseconds_and_0_is_nothing() -> None:
    config = ConnectionConfig(keepalive_s=0, keepalive_timeout_s=2.5, max_age_s=60, handshake_s=0, max_idle_s=0)
    assert config.options == [("grpc.keepalive_timeout_ms", 2500), ("grpc.max_connection_age_ms", 60_000)]


class Hold:
    """Keeps the decoding thread until it is released or told to stop."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self, should_stop: Callable[[], bool]) -> None:
        self.entered.set()
        while not self.release.wait(0.001):
            if should_stop():
                return


async def test_stopping_lets_work_in_flight_finish_and_does_not_wait_for_watchers(
    intake: LiveIntake, engine: Any
) -> None:
    engine.before = hold = Hold()
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=3600), intake)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = DispatchServiceStub(channel)
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        call = stub.GenerateInstruction(REQUEST)
        assert await asyncio.to_thread(hold.entered.wait, PATIENCE_S)
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == NOT_SERVING
        assert not stopping.done()
        hold.release.set()
        assert (await call).name
        await asyncio.wait_for(stopping, PATIENCE_S)


async def test_work_that_outlasts_the_grace_is_stopped_and_stores_nothing(
    intake: LiveIntake, engine: Any, stored_names: Callable[[], list[str]]
) -> None:
    engine.before = hold = Hold()
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05), intake)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = DispatchServiceStub(channel)
        call = stub.GenerateInstruction(REQUEST)
        assert await asyncio.to_thread(hold.entered.wait, PATIENCE_S)
        await asyncio.wait_for(server.stop(), PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert stored_names() == []


class SlowAudit(Audit):
    """Records when a test permits it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.entered, self.release = threading.Event(), threading.Event()

    def record(self, action: str, actor: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        self.entered.set()
        assert self.release.wait(PATIENCE_S)
        super().record(action, actor, subject, details)


async def test_what_an_operator_changes_is_changed_and_answered_before_the_end(
    intake: LiveIntake, registry: Registry, store: Store
) -> None:
    audit = SlowAudit(store.database)
    admin = AdminService(registry, ServingMode(audit), audit)
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=3600), intake, admin=admin)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        switch = SetServingModeRequest(mode="pass-through", reason="test")
        call = stub.SetServingMode(switch)
        assert await asyncio.to_thread(audit.entered.wait, PATIENCE_S)
        stopping = asyncio.create_task(server.stop())
        await until(admin.admission.closing.is_set)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SetServingMode(switch)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, SHUTTING_DOWN.message)
        audit.release.set()
        assert (await call).mode == "pass-through"
        await asyncio.wait_for(stopping, PATIENCE_S)
    assert ServingMode(Audit(store.database)).mode == "pass-through"


CHILD = """
import sys
from dispatch.engine import Registry
from dispatch.server import DispatchServer, ServerConfig, serve
from dispatch.store import Audit, Store
from dispatch.workflow import LiveIntake, ServingMode
from tests.server.conftest import ScriptedEngine

def work(should_stop):
    print("working", flush=True)
    sys.stdin.readline()

store, engine = Store.open(sys.argv[1]), ScriptedEngine()
registry = Registry(lambda path: engine)
registry.add(engine)
engine.before = work
intake = LiveIntake(registry, store, ServingMode(Audit(store.database)))
config = ServerConfig("127.0.0.1:0", grace_s=3600)
serve(lambda: DispatchServer(config, intake), lambda address: print(address, flush=True))
registry.close(0)
intake.close()
store.close()
print("returned", flush=True)
"""


@pytest.fixture
def child(database: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that serves; its engine works until it is sent a line."""
    command = [sys.executable, "-W", "error", "-c", CHILD, f"sqlite:///{database}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_loses_no_admitted_call(
    child: subprocess.Popen[str], number: signal.Signals, stored_names: Callable[[], list[str]]
) -> None:
    assert child.stdout
    assert child.stdin
    address = child.stdout.readline().strip()
    with grpc.insecure_channel(address) as channel:
        stub = DispatchServiceStub(channel)
        first = stub.GenerateInstruction.future(REQUEST, timeout=PATIENCE_S)
        assert child.stdout.readline() == "working\n"
        waiting = [stub.StreamInstruction(StreamInstructionRequest(request=REQUEST), timeout=PATIENCE_S) for _ in "ab"]
        assert [next(call).WhichOneof("stage") for call in waiting] == ["admitted", "admitted"]
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(watch).status == SERVING
        os.kill(child.pid, number)
        assert next(watch).status == NOT_SERVING
        late: Any = stub.GenerateInstruction.future(REQUEST, timeout=PATIENCE_S).exception()
        assert (late.code(), late.details()) == (grpc.StatusCode.UNAVAILABLE, SHUTTING_DOWN.message)
        child.stdin.write("go on\n" * 3)
        child.stdin.flush()
        answers = [first.result(), *(list(call)[-1].instruction for call in waiting)]
    assert child.wait(PATIENCE_S) == 0
    assert child.stdout.readlines()[-1] == "returned\n"
    assert sorted(stored_names()) == sorted(answer.name for answer in answers)


async def test_who_connects_and_says_nothing_is_let_go(intake: LiveIntake) -> None:
    config = ServerConfig("127.0.0.1:0", connections=ConnectionConfig(handshake_s=0.2))
    server = DispatchServer(config, intake)
    host, _, port = (await server.start()).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await asyncio.wait_for(reader.read(), PATIENCE_S)  # returns when the server has closed the connection
    writer.close()
    await server.stop()
