"""GenerateInstruction over the wire: stored before answered, idempotent, stoppable, and clear when it fails."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context
from dispatch.engine import GenerationRequest
from dispatch.store import Store, StoreError, StoreUnavailable
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest

REPORT = "山区公路积雪3米,断电,50人被困"
PATIENCE_S = 20.0


def error_info(error: grpc.aio.AioRpcError) -> ErrorInfo:
    return detail(error, ErrorInfo())


def detail(error: grpc.aio.AioRpcError, message: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    assert any(item.Unpack(message) for item in status.details), f"no {type(message).__name__} in {status}"
    return message


class Gate:
    """Holds the decoding thread until the call is stopped, and says what happened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.left = threading.Event()

    def __call__(self, should_stop: Callable[[], bool]) -> None:
        self.entered.set()
        while not should_stop():
            threading.Event().wait(0.001)
        self.left.set()

    async def wait(self, event: threading.Event) -> None:
        assert await asyncio.to_thread(event.wait, PATIENCE_S)


async def test_the_reply_names_a_row_that_is_committed(stub: Any, stored_names: Callable[[], list[str]]) -> None:
    reply = await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    assert stored_names() == [reply.name]
    assert reply.instruction.startswith("一、派3台除雪车")
    assert reply.review_state == "pending"
    assert not reply.releasable
    assert reply.HasField("due_at")


async def test_all_that_was_asked_is_done_and_stored(stub: Any, engine: Any, store: Store) -> None:
    request = GenerateInstructionRequest(
        request_id="r:1", incident_id="i.1", report=REPORT, model="default", priority="特急"
    )
    request.context.location = "A7公路"
    request.context.issued.extend(["派1台除雪车至A7公路"])
    request.decoding.prefix = "派"
    request.decoding.beam_size = 2
    reply = await stub.GenerateInstruction(request)
    context, decoding = Context("A7公路", ("派1台除雪车至A7公路",)), DecodingConfig(beam_size=2)
    assert engine.requests == [GenerationRequest(REPORT, context, decoding, "派")]
    record = store.get(reply.name)
    assert record
    assert (record.request_id, record.incident_id, record.priority) == ("r:1", "i.1", "特急")


async def test_a_repeat_gets_the_stored_answer(stub: Any, stored_names: Callable[[], list[str]]) -> None:
    request = GenerateInstructionRequest(report=REPORT, request_id="r1")
    first = await stub.GenerateInstruction(request)
    assert await stub.GenerateInstruction(request) == first
    assert stored_names() == [first.name]


async def test_a_request_id_cannot_be_used_for_something_else(stub: Any) -> None:
    await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT, request_id="r1"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(GenerateInstructionRequest(report="另一份报告", request_id="r1"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(caught.value).reason == "REQUEST_ID_REUSED"


async def test_a_lost_store_is_unavailable_and_worth_a_retry(stub: Any, engine: Any) -> None:
    def fail(should_stop: Callable[[], bool]) -> None:
        raise StoreError("the disk is full")

    engine.before = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert error_info(caught.value).reason == "STORE_UNAVAILABLE"
    assert detail(caught.value, RetryInfo()).retry_delay.seconds > 0


async def test_a_store_that_cannot_be_used_is_logged_by_one_line_that_says_why(
    stub: Any, engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(should_stop: Callable[[], bool]) -> None:
        raise StoreUnavailable("cannot save the instruction (sqlite:///d.db): database or disk is full")

    engine.before = fail
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError):
        await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "dispatch.server.errors"]
    assert line.endswith("database or disk is full")
    assert "\n" not in line


async def test_an_unexpected_error_is_logged_under_a_reference_without_the_report(
    stub: Any, engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(should_stop: Callable[[], bool]) -> None:
        raise KeyError(REPORT) from ValueError(REPORT)

    engine.before = fail
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    reference = error_info(caught.value).metadata["reference"]
    (line,) = [record.getMessage() for record in caplog.records if reference in record.getMessage()]
    assert "KeyError" in line
    assert "in fail" in line
    assert REPORT not in caplog.text
    assert REPORT not in str(caught.value)


async def test_a_cancelled_call_stops_the_decoding(
    stub: Any, engine: Any, stored_names: Callable[[], list[str]]
) -> None:
    engine.before = gate = Gate()
    call = stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    await gate.wait(gate.entered)
    call.cancel()
    await gate.wait(gate.left)
    assert stored_names() == []


async def test_a_passed_deadline_stops_the_decoding(stub: Any, engine: Any) -> None:
    engine.before = gate = Gate()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT), timeout=2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await gate.wait(gate.left)


async def test_a_call_that_left_the_queue_is_never_decoded(stub: Any, engine: Any) -> None:
    engine.before = gate = Gate()
    first = stub.GenerateInstruction(GenerateInstructionRequest(report="第一"))
    await gate.wait(gate.entered)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.GenerateInstruction(GenerateInstructionRequest(report="第二"), timeout=0.1)
    first.cancel()
    await gate.wait(gate.left)
    engine.before = lambda should_stop: None
    await stub.GenerateInstruction(GenerateInstructionRequest(report="第三"))
    assert [request.report for request in engine.requests] == ["第一", "第三"]


async def test_health_is_answered_while_the_decoder_works(stub: Any, engine: Any, channel: grpc.aio.Channel) -> None:
    engine.before = gate = Gate()
    call = stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT))
    await gate.wait(gate.entered)
    health: Any = health_pb2_grpc.HealthStub(channel)
    reply = await health.Check(health_pb2.HealthCheckRequest(service="dispatch.v1.DispatchService"))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    assert not gate.left.is_set()
    call.cancel()
    await gate.wait(gate.left)
