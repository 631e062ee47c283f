"""StreamInstruction: the stages in their order, and orders that are the stored text."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import split_orders
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    ListModelsRequest,
    StreamInstructionRequest,
)
from dispatch.workflow import ServingMode

REPORT = "山区公路积雪3米,断电,50人被困"


def request(**fields: Any) -> StreamInstructionRequest:
    return StreamInstructionRequest(request=GenerateInstructionRequest(**({"report": REPORT} | fields)))


async def test_the_orders_joined_are_the_stored_instruction(stub: Any) -> None:
    told = [message async for message in stub.StreamInstruction(request(request_id="r1"))]
    stages = [message.WhichOneof("stage") for message in told]
    orders = [message.order for message in told if message.HasField("order")]
    assert stages == ["admitted", "reading", *["order"] * len(orders), "instruction"]
    whole = told[-1].instruction
    assert "".join(order.text for order in orders) == whole.instruction
    assert len(orders) > 3
    assert await stub.GenerateInstruction(GenerateInstructionRequest(report=REPORT, request_id="r1")) == whole
    reading = told[1].reading
    assert (list(reading.situations), reading.confidence) == (list(whole.situations), whole.confidence)


async def test_an_order_has_the_findings_about_its_words(stub: Any) -> None:
    told = [message async for message in stub.StreamInstruction(request(report="缺水,3人被困"))]
    whole = told[-1].instruction
    orders = [message.order for message in told if message.HasField("order")]
    placed = [check for check in whole.checks if check.target == "instruction" and check.end]
    assert placed
    assert [check for order in orders for check in order.checks] == sorted(placed, key=lambda check: check.start)
    start = 0
    for order in orders:
        assert all(start <= check.start < check.end <= start + len(order.text) for check in order.checks)
        start += len(order.text)


async def test_what_is_wrong_is_named_by_its_path(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [message async for message in stub.StreamInstruction(request(report=""))]
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    assert status
    info, bad_request = ErrorInfo(), BadRequest()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(bad_request)] == [True, True]
    assert info.reason == "INVALID_FIELDS"
    assert [violation.field for violation in bad_request.field_violations] == ["request.report"]


async def test_bytes_that_are_no_message_are_the_callers_fault(channel: grpc.aio.Channel) -> None:
    call: Any = channel.unary_stream("/dispatch.v1.DispatchService/StreamInstruction")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [message async for message in call(b"\xff\xff\xff")]
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_without_a_model_the_report_is_the_one_order(stub: Any, serving: ServingMode) -> None:
    serving.set("pass-through", "drill", "operator")
    told = [message async for message in stub.StreamInstruction(request(report="雪3米"))]
    assert [message.WhichOneof("stage") for message in told] == ["admitted", "reading", "order", "instruction"]
    assert (told[2].order.text, told[3].instruction.instruction) == ("雪3米", "雪3米")
    assert (await stub.ListModels(ListModelsRequest())).serving_mode == "pass-through"


async def test_the_loaded_models_are_listed(stub: Any) -> None:
    reply = await stub.ListModels(ListModelsRequest())
    assert [(model.identity.name, list(model.labels)) for model in reply.models] == [("default", ["stable"])]
    assert reply.serving_mode == "assist"


@given(st.text(alphabet=",;派至A7一、\n "))
def test_a_split_text_is_whole_and_ends_its_parts_at_marks(text: str) -> None:
    parts = split_orders(text)
    assert "".join(parts) == text
    assert all(part[-1] in ",;" for part in parts[:-1])
    assert not any(mark in part[:-1] for part in parts for mark in ",;")
