"""The whole server with its telemetry: what it tells of a report from the call to the commit."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.engine import BatcherConfig, Registry
from dispatch.server import DispatchServer, ServerConfig
from dispatch.server.health import probes_of
from dispatch.server.metrics import state_of
from dispatch.server.spans import SpanTracing
from dispatch.server.telemetry import Telemetry
from dispatch.store import Store
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    StreamInstructionRequest,
    TranslateReportsRequest,
)
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.workflow import LiveIntake, ServingMode
from dispatch.workflow.duplicates import RecentReports
from tests.server.calls import Kept, Reading, logged, until

GENERATE = "dispatch.v1.DispatchService/GenerateInstruction"
STREAM = "dispatch.v1.DispatchService/StreamInstruction"
STAGES = ("queue", "decode", "check", "commit")
PATIENCE_S = 20.0
REQUEST = GenerateInstructionRequest(report="A7公路积雪3米,50人被困", request_id="call-17")


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def telemetry(kept: Kept) -> Telemetry:
    return Telemetry(tracing=SpanTracing(kept))


@pytest.fixture
async def observed(
    engine: Any, store: Store, serving: ServingMode, telemetry: Telemetry
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that tells everything."""
    registry = Registry(lambda path: engine, BatcherConfig(), telemetry.metrics.observe_batch)
    registry.add(engine)
    intake = LiveIntake(registry, store, serving, observe_commit=telemetry.observe_commit)
    server = DispatchServer(
        ServerConfig("127.0.0.1:0", grace_s=PATIENCE_S),
        intake,
        telemetry=telemetry,
        probes=probes_of(registry, store.ping, lambda: serving.mode),
        state=state_of(registry, lambda: serving.mode),
    )
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        yield channel
    await server.stop()
    registry.close(0)
    intake.close()


async def test_one_report_is_seen_at_every_stage(observed: grpc.aio.Channel, telemetry: Telemetry, kept: Kept) -> None:
    before = Reading.of(telemetry)("dispatch_batch_rows_count") or 0  # the warm-up
    stub: Any = DispatchServiceStub(observed)
    await stub.GenerateInstruction(REQUEST)
    reading = Reading.of(telemetry)
    assert reading("dispatch_calls_total", method=GENERATE, code="OK") == 1
    assert reading("dispatch_batch_rows_count") == before + 1
    assert reading("dispatch_answers_total", kind="request", review_state="pending") == 1
    assert reading("dispatch_healthy", part="service") == 1
    await until(lambda: {span.name for span in kept.spans} == {*STAGES, GENERATE})


async def test_a_repeat_is_answered_and_not_committed_again(
    observed: grpc.aio.Channel, telemetry: Telemetry, kept: Kept
) -> None:
    stub: Any = DispatchServiceStub(observed)
    await stub.GenerateInstruction(REQUEST)
    await stub.GenerateInstruction(REQUEST)
    await until(lambda: len(kept.spans) == len(STAGES) + 2)
    assert Reading.of(telemetry)("dispatch_commit_seconds_count") == 1
    assert [span.name for span in kept.spans].count(GENERATE) == 2


async def test_a_stream_is_seen_as_well(observed: grpc.aio.Channel, telemetry: Telemetry, kept: Kept) -> None:
    stub: Any = DispatchServiceStub(observed)
    async for _ in stub.StreamInstruction(StreamInstructionRequest(request=REQUEST)):
        pass
    await until(lambda: len(kept.spans) == len(STAGES) + 1)
    call = kept.named(STREAM)
    assert all(kept.named(stage).parent.span_id == call.context.span_id for stage in STAGES)
    assert Reading.of(telemetry)("dispatch_answers_total", kind="request", review_state="pending") == 1


async def test_health_answers_while_the_engine_is_busy_and_calls_wait(observed: grpc.aio.Channel, engine: Any) -> None:
    release, entered = threading.Event(), threading.Event()

    def hold(should_stop: Callable[[], bool]) -> None:
        entered.set()
        release.wait(PATIENCE_S)

    engine.before = hold
    stub: Any = DispatchServiceStub(observed)
    health: Any = health_pb2_grpc.HealthStub(observed)
    calls = [stub.GenerateInstruction(GenerateInstructionRequest(report="3人被困")) for _ in range(50)]
    try:
        for service in ("", "dispatch.v1.DispatchService", "dispatch.model", "dispatch.store"):
            reply = await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        release.set()
    for call in calls:
        assert (await call).name
    assert entered.is_set()


async def test_threads_that_work_for_a_call_log_its_ids(
    observed: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = RecentReports.mark

    def say(self: RecentReports, draft: Any, replaced: str) -> Any:
        logging.getLogger("checking").warning("in %s", threading.current_thread().name)
        return mark(self, draft, replaced)

    monkeypatch.setattr(RecentReports, "mark", say)
    stub: Any = DispatchServiceStub(observed)
    requests = [GenerateInstructionRequest(report="3人被困", request_id=name) for name in ("a", "b")]
    with logged() as lines:
        await stub.GenerateInstruction(requests[0])
        items = (TranslateReportsRequest(item_id="1", request=request) for request in requests[1:])
        assert [reply.status.code async for reply in stub.TranslateReports(items)] == [0]
        said = [line for line in lines() if line["logger"] == "checking"]
    assert all(line["event"].startswith("in intake-check") for line in said)
    assert [(line["request_id"], line["method"]) for line in said] == [
        ("a", GENERATE),
        ("b", "dispatch.v1.DispatchService/TranslateReports"),
    ]
