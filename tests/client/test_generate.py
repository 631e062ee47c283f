"""One report: retries, deadlines, and failures as one exception."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from dispatch.client import AsyncClient, Client, DispatchError, FieldViolation
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse

MakeStatus = Callable[..., Status]
UNAVAILABLE, INVALID, EXHAUSTED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


def test_a_call_without_request_id_gets_one_and_keeps_it_when_retried(
    server: Any, reply: GenerateInstructionResponse, failing: MakeStatus
) -> None:
    server.lines = [
        failing(UNAVAILABLE, "try again"),
        failing(EXHAUSTED, "busy", "OVERLOADED", retry_s=0.01),
        failing(grpc.StatusCode.CANCELLED, "the server has just stopped"),
        reply,
    ]
    with Client(server.address) as client:
        assert client.generate("3人被困").instruction == "派3台除雪车"
        client.generate("3人被困")
    *first_call, another = [request.request_id for request in server.requests]
    assert len(first_call) == 4
    assert len(set(first_call)) == 1
    assert first_call[0]
    assert another != first_call[0]


def test_a_given_request_id_is_sent(server: Any, reply: GenerateInstructionResponse) -> None:
    server.lines = [reply]
    with Client(server.address) as client:
        client.generate("3人被困", request_id="r1", incident_id="i1", model="default", priority="紧急")
    (request,) = server.requests
    assert (request.request_id, request.incident_id) == ("r1", "i1")
    assert (request.model, request.priority) == ("default", "紧急")


def test_an_invalid_request_is_not_retried_and_says_which_field(server: Any, failing: MakeStatus) -> None:
    server.lines = [failing(INVALID, "not valid", "INVALID_FIELDS", [("report", "must not be empty")])]
    with Client(server.address) as client, pytest.raises(DispatchError, match="report: must not be empty") as caught:
        client.generate("")
    assert (caught.value.code, caught.value.message) == ("INVALID_ARGUMENT", "not valid")
    assert caught.value.violations == (FieldViolation("report", "must not be empty"),)
    assert (caught.value.reason, caught.value.retry_after_s) == ("INVALID_FIELDS", None)
    assert len(server.requests) == 1


async def test_the_async_client_retries_and_raises_the_same(
    server: Any, reply: GenerateInstructionResponse, failing: MakeStatus
) -> None:
    server.lines = [
        failing(UNAVAILABLE, "try again"),
        failing(EXHAUSTED, "busy", "OVERLOADED", retry_s=0.01),
        reply,
        failing(INVALID, "not valid", "INVALID_FIELDS", [("report", "must not be empty")]),
    ]
    async with AsyncClient(server.address) as client:
        assert (await client.generate("3人被困")).name == "instructions/1"
        with pytest.raises(DispatchError) as caught:
            await client.generate("")
    assert len({request.request_id for request in server.requests[:3]}) == 1
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    assert caught.value.violations == (FieldViolation("report", "must not be empty"),)


@pytest.mark.parametrize(("code", "retry_s"), [(UNAVAILABLE, None), (EXHAUSTED, 0.01)])
def test_retries_end(server: Any, failing: MakeStatus, code: grpc.StatusCode, retry_s: float | None) -> None:
    server.lines = [failing(code, "try again", retry_s=retry_s)]
    with Client(server.address) as client, pytest.raises(DispatchError, match="try again") as caught:
        client.generate("3人被困")
    assert (caught.value.code, caught.value.reason) == (code.name, "")
    assert len(server.requests) == 5


@pytest.mark.parametrize("retry_s", [None, 1000.0])
def test_what_will_never_fit_or_not_in_time_is_not_retried(
    server: Any, failing: MakeStatus, retry_s: float | None
) -> None:
    server.lines = [failing(EXHAUSTED, "no", "OVERLOADED", retry_s=retry_s)]
    with Client(server.address) as client, pytest.raises(DispatchError) as caught:
        client.generate("3人被困")
    assert (caught.value.reason, caught.value.retry_after_s) == ("OVERLOADED", retry_s)
    assert len(server.requests) == 1


def test_a_call_ends_at_its_deadline(server: Any) -> None:
    def never(context: Any) -> GenerateInstructionResponse:
        ended = threading.Event()
        if context.add_callback(ended.set):
            ended.wait(20)
        return GenerateInstructionResponse()

    server.lines = [never]
    with Client(server.address, timeout_s=0.2) as client:
        with pytest.raises(DispatchError) as caught:
            client.generate("3人被困")
        assert caught.value.code == "DEADLINE_EXCEEDED"
    with Client(server.address) as client, pytest.raises(DispatchError) as caught:
        client.generate("3人被困", timeout_s=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_text_that_cannot_be_sent_is_refused_before_it_is_sent(server: Any) -> None:
    with Client(server.address) as client:
        with pytest.raises(ValueError, match="surrogate"):
            client.generate("3人\ud800被困")
        with pytest.raises(ValueError, match="larger than"):
            client.generate("长" * 2_000_000)
        with pytest.raises(ValueError, match="surrogate"):
            client.stream("3人\ud800被困")
    assert server.requests == []


def test_an_error_survives_the_way_between_processes() -> None:
    error = DispatchError("UNAVAILABLE", "away", [FieldViolation("report", "wrong")], "SHUTTING_DOWN", 1.5, {"a": "b"})
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert str(copy) == "UNAVAILABLE: away (report: wrong)"


def test_the_client_loads_neither_torch_nor_the_store() -> None:
    program = (
        "import sys, dispatch.client; print(sorted({'torch', 'sqlalchemy', 'dispatch.server', 'dispatch.domain'}"
        " & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
