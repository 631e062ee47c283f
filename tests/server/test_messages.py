"""Bytes that are no message, as a client in another language may send them."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.server.errors import MAX_VIOLATIONS
from dispatch.server.messages import not_utf8
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.v1.types_pb2 import Context

METHOD = "/dispatch.v1.DispatchService/GenerateInstruction"
GB18030 = "山区公路积雪".encode("gb18030")


def with_text(message: Any, field: str, text: bytes) -> bytes:
    """The serialized message with one more text field, whatever its bytes are (shorter than 128)."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    return bytes([*message.SerializeToString(), number << 3 | 2, len(text), *text])


async def send(channel: grpc.aio.Channel, data: bytes, method: str = METHOD) -> grpc.aio.AioRpcError:
    call: Any = channel.unary_unary(method)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(data)
    return caught.value


def named_fields(error: grpc.aio.AioRpcError) -> list[str]:
    status = rpc_status.from_call(error)
    assert status is not None
    info, bad_request = ErrorInfo(), BadRequest()
    for item in status.details:
        item.Unpack(info)
        item.Unpack(bad_request)
    assert info.reason == "MALFORMED_MESSAGE"
    return [violation.field for violation in bad_request.field_violations]


async def test_a_report_in_another_encoding_is_named(channel: grpc.aio.Channel, engine: Any) -> None:
    error = await send(channel, with_text(GenerateInstructionRequest(request_id="r1"), "report", GB18030))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named_fields(error) == ["report"]
    assert engine.requests == []


async def test_a_nested_text_is_named_by_its_path(channel: grpc.aio.Channel) -> None:
    context = with_text(Context(issued=["派"]), "location", GB18030)
    error = await send(channel, with_text(GenerateInstructionRequest(report="困"), "context", context))
    assert named_fields(error) == ["context.location"]


async def test_bytes_that_are_no_message_are_the_callers_fault(channel: grpc.aio.Channel) -> None:
    error = await send(channel, b"\xff\xff\xff")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named_fields(error) == []


async def test_other_services_are_guarded_too(channel: grpc.aio.Channel) -> None:
    error = await send(channel, b"\xff\xff\xff", "/grpc.health.v1.Health/Check")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    error = await send(channel, b"", "/dispatch.v1.DispatchService/Nothing")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


@settings(deadline=None)
@given(st.text(), st.text(), st.lists(st.text()))
def test_well_formed_messages_have_nothing_to_name(report: str, location: str, issued: list[str]) -> None:
    message = GenerateInstructionRequest(report=report, context=Context(location=location, issued=issued))
    assert list(not_utf8(message.SerializeToString(), message.DESCRIPTOR)) == []


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    assert set(not_utf8(data, Context.DESCRIPTOR)) <= {"location", "issued"}


def test_of_a_message_with_too_many_fields_the_first_are_looked_at_alone() -> None:
    sound, wrong = b"\x1a\x01a", b"\x1a\x01\xff"
    assert list(not_utf8(sound * 500 + wrong, GenerateInstructionRequest.DESCRIPTOR)) == ["report"]
    assert list(not_utf8(sound * 5000 + wrong, GenerateInstructionRequest.DESCRIPTOR)) == []
    assert list(not_utf8(b"\x1a\x01\xff" * 100_000, GenerateInstructionRequest.DESCRIPTOR)) == []


async def test_so_many_wrong_texts_are_named_as_fit_into_an_answer(channel: grpc.aio.Channel) -> None:
    error = await send(channel, with_text(GenerateInstructionRequest(), "report", GB18030) + b"\x1a\x01\xff" * 900)
    assert named_fields(error) == ["report"] * MAX_VIOLATIONS
