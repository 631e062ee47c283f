"""The client against a scripted server: retries, deadlines, and errors as one exception."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.client import AsyncClient, Client, DispatchError, FieldViolation
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, GenerateInstructionResponse
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer, add_DispatchServiceServicer_to_server

Respond = Callable[[grpc.ServicerContext], GenerateInstructionResponse]


@dataclass
class ScriptedServer(DispatchServiceServicer):
    """Plays its script call by call, and the last line of it forever."""

    script: list[Respond] = field(default_factory=list)
    requests: list[GenerateInstructionRequest] = field(default_factory=list)
    address: str = ""

    def GenerateInstruction(self, request: GenerateInstructionRequest, context: Any) -> GenerateInstructionResponse:
        self.requests.append(request)
        return self.script[min(len(self.requests), len(self.script)) - 1](context)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    servicer = ScriptedServer()
    server = grpc.server(ThreadPoolExecutor(2))
    add_DispatchServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


def reply(_context: grpc.ServicerContext) -> GenerateInstructionResponse:
    return GenerateInstructionResponse(name="instructions/1", instruction="派3台除雪车")


def unavailable(context: grpc.ServicerContext) -> GenerateInstructionResponse:
    context.abort(grpc.StatusCode.UNAVAILABLE, "try again")


def invalid(context: grpc.ServicerContext) -> GenerateInstructionResponse:
    status = Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message="not valid")
    status.details.add().Pack(ErrorInfo(reason="INVALID_FIELDS", domain="dispatch"))
    violation = BadRequest.FieldViolation(field="report", description="must not be empty")
    status.details.add().Pack(BadRequest(field_violations=[violation]))
    context.abort_with_status(rpc_status.to_status(status))


def test_a_call_without_request_id_gets_one_and_keeps_it_when_retried(server: ScriptedServer) -> None:
    server.script = [unavailable, unavailable, reply]
    with Client(server.address) as client:
        assert client.generate("3人被困")["instruction"] == "派3台除雪车"
        client.generate("3人被困")
    first, second, third, another = [request.request_id for request in server.requests]
    assert first
    assert first == second == third != another


def test_a_given_request_id_is_sent(server: ScriptedServer) -> None:
    server.script = [reply]
    with Client(server.address) as client:
        client.generate("3人被困", request_id="r1", incident_id="i1", model="default", priority="紧急")
    (request,) = server.requests
    assert (request.request_id, request.incident_id) == ("r1", "i1")
    assert (request.model, request.priority) == ("default", "紧急")


def test_an_invalid_request_is_not_retried_and_says_which_field(server: ScriptedServer) -> None:
    server.script = [invalid]
    with Client(server.address) as client, pytest.raises(DispatchError, match="report: must not be empty") as caught:
        client.generate("")
    assert (caught.value.code, caught.value.message) == ("INVALID_ARGUMENT", "not valid")
    assert caught.value.violations == (FieldViolation("report", "must not be empty"),)
    assert caught.value.reason == "INVALID_FIELDS"
    assert len(server.requests) == 1


async def test_the_async_client_retries_and_raises_the_same(server: ScriptedServer) -> None:
    server.script = [unavailable, reply, invalid]
    async with AsyncClient(server.address) as client:
        assert (await client.generate("3人被困"))["name"] == "instructions/1"
        with pytest.raises(DispatchError) as caught:
            await client.generate("")
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    assert caught.value.violations == (FieldViolation("report", "must not be empty"),)


def test_retries_end(server: ScriptedServer) -> None:
    server.script = [unavailable]
    with Client(server.address) as client, pytest.raises(DispatchError, match="try again") as caught:
        client.generate("3人被困")
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "")
    assert len(server.requests) == 5


def test_a_call_ends_at_its_deadline(server: ScriptedServer) -> None:
    def never(context: Any) -> GenerateInstructionResponse:
        ended = threading.Event()
        if context.add_callback(ended.set):
            ended.wait(20)
        return GenerateInstructionResponse()

    server.script = [never]
    with Client(server.address, timeout_s=0.2) as client, pytest.raises(DispatchError) as caught:
        client.generate("3人被困")
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_a_reply_without_situations_has_an_empty_one(server: ScriptedServer) -> None:
    server.script = [reply]
    with Client(server.address) as client:
        answer = client.generate("3人被困")
    assert (answer["situation"], answer["situations"], answer["plan"], answer["checks"]) == ({}, [], [], [])


def test_due_at_is_always_there_and_none_where_no_review_is_scheduled(server: ScriptedServer) -> None:
    due = GenerateInstructionResponse(due_at=Timestamp(seconds=1_717_200_000))
    server.script = [reply, lambda context: due]
    with Client(server.address) as client:
        assert client.generate("3人被困")["due_at"] is None
        assert client.generate("3人被困")["due_at"] == "2024-06-01T00:00:00Z"


def test_text_that_is_no_unicode_is_refused_before_it_is_sent(server: ScriptedServer) -> None:
    with Client(server.address) as client, pytest.raises(ValueError, match="surrogate"):
        client.generate("3人\ud800被困")
    assert server.requests == []


def test_the_client_loads_neither_torch_nor_the_store() -> None:
    program = (
        "import sys, dispatch.client; print(sorted({'torch', 'sqlalchemy', 'dispatch.server'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
