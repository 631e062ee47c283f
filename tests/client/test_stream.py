"""Stages of one report as typed values."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from dispatch.client import Admitted, Answer, AsyncClient, Client, DispatchError, DraftOrder, Reading
from dispatch.v1 import dispatch_service_pb2 as messages
from dispatch.v1 import types_pb2
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse, StreamInstructionResponse

MakeStatus = Callable[..., Status]
BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", "OVERLOADED")


@pytest.fixture
def told(reply: GenerateInstructionResponse) -> list[StreamInstructionResponse]:
    check = types_pb2.Check(code="LOW_CONFIDENCE", severity="warning", target="instruction", end=6)
    return [
        StreamInstructionResponse(admitted=messages.Admitted(ahead=2)),
        StreamInstructionResponse(reading=messages.Reading(situations=[types_pb2.Situation(kind="request")])),
        StreamInstructionResponse(order=messages.DraftOrder(text="派3台除雪车", checks=[check])),
        StreamInstructionResponse(),  # a stage of a later version
        StreamInstructionResponse(instruction=reply),
    ]


def is_told(stages: list[Any]) -> None:
    admitted, reading, order, answer = stages
    assert admitted == Admitted(2)
    assert isinstance(reading, Reading)
    assert reading.situations[0].kind == "request"
    assert isinstance(order, DraftOrder)
    assert (order.text, order.checks[0].code, order.checks[0].end) == ("派3台除雪车", "LOW_CONFIDENCE", 6)
    assert isinstance(answer, Answer)
    assert answer.instruction == "派3台除雪车"


def test_stages_come_in_order_after_a_refusal(
    server: Any, told: list[StreamInstructionResponse], failing: MakeStatus
) -> None:
    server.lines = [failing(*BUSY, retry_s=0.01), told]
    with Client(server.address) as client:
        is_told(list(client.stream("3人被困", location="A7公路", request_id="r1")))
    first, second = server.requests
    assert first == second
    assert (first.request.request_id, first.request.context.location) == ("r1", "A7公路")


async def test_the_async_client_tells_the_same(
    server: Any, told: list[StreamInstructionResponse], failing: MakeStatus
) -> None:
    server.lines = [failing(*BUSY, retry_s=0.01), told]
    async with AsyncClient(server.address) as client:
        is_told([stage async for stage in client.stream("3人被困")])
    assert len({request.request.request_id for request in server.requests}) == 1


def test_a_stream_that_has_begun_is_not_begun_again(
    server: Any, told: list[StreamInstructionResponse], failing: MakeStatus
) -> None:
    server.lines = [[told[0], failing(*BUSY, retry_s=0.01)]]
    with Client(server.address) as client:
        stages = client.stream("3人被困")
        assert next(stages) == Admitted(2)
        with pytest.raises(DispatchError) as caught:
            next(stages)
    assert (caught.value.reason, caught.value.retry_after_s) == ("OVERLOADED", 0.01)
    assert len(server.requests) == 1


async def test_the_async_client_does_not_begin_again_either(
    server: Any, told: list[StreamInstructionResponse], failing: MakeStatus
) -> None:
    server.lines = [[told[0], failing(*BUSY, retry_s=0.01)]]
    async with AsyncClient(server.address) as client:
        stages = client.stream("3人被困")
        assert await anext(stages) == Admitted(2)
        with pytest.raises(DispatchError):
            await anext(stages)
    assert len(server.requests) == 1


def test_leaving_a_stream_early_ends_its_call(server: Any, told: list[StreamInstructionResponse]) -> None:
    ended = threading.Event()

    def endless(context: Any) -> Any:
        context.add_callback(ended.set)
        return iter(lambda: told[0], None)

    server.lines = [endless]
    with Client(server.address) as client:
        for _ in client.stream("3人被困"):
            break
        assert ended.wait(20)


class Tracing(grpc.UnaryStreamClientInterceptor):
    """Gives a generator for a call, as the interceptors of OpenTelemetry do."""

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        yield from continuation(client_call_details, request)


def test_a_call_that_is_traced_tells_the_same(
    server: Any, told: list[StreamInstructionResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = grpc.insecure_channel
    monkeypatch.setattr(grpc, "insecure_channel", lambda *given: grpc.intercept_channel(plain(*given), Tracing()))
    server.lines = [told]
    with Client(server.address) as client:
        is_told(list(client.stream("3人被困")))
        assert next(client.stream("3人被困")) == Admitted(2)
