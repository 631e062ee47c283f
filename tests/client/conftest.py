"""A server that plays a script, for what a real one does seldom: refusals, broken streams, strange answers."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.v1.admin_service_pb2_grpc import AdminServiceServicer, add_AdminServiceServicer_to_server
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer, add_DispatchServiceServicer_to_server

Line = Any
"""A reply; a list of replies for a stream; a failing Status; or a function of the context that gives one of these."""


@dataclass
class Script:
    """Answers calls of all methods line by line, and with the last line forever."""

    lines: list[Line] = field(default_factory=list)
    requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    def answer(self, request: Message, context: Any) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        line = self.lines[min(len(self.requests), len(self.lines)) - 1]
        line = line(context) if callable(line) else line
        if isinstance(line, Status):
            context.abort_with_status(rpc_status.to_status(line))
        return line

    def stream(self, request: Message, context: Any) -> Iterator[Any]:
        for item in self.answer(request, context):
            if isinstance(item, Status):
                context.abort_with_status(rpc_status.to_status(item))
            yield item


@dataclass
class _Dispatch(DispatchServiceServicer):
    script: Script

    def GenerateInstruction(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)

    def StreamInstruction(self, request: Any, context: Any) -> Any:
        return self.script.stream(request, context)

    def TranslateReports(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        """Each report by its line of the script."""
        for request in request_iterator:
            yield self.script.answer(request, context)

    def ExplainInstruction(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)

    def ListModels(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)


@dataclass
class _Admin(AdminServiceServicer):
    script: Script

    def SetServingMode(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)

    def LoadModel(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)

    def SetModelLabel(self, request: Any, context: Any) -> Any:
        return self.script.answer(request, context)


@contextmanager
def serving(credentials: grpc.ServerCredentials | None = None, listen: str = "127.0.0.1:0") -> Iterator[Script]:
    """A server that plays a script; its certificate, where it has one, is for localhost."""
    script = Script()
    server = grpc.server(ThreadPoolExecutor(2))
    add_DispatchServiceServicer_to_server(_Dispatch(script), server)
    add_AdminServiceServicer_to_server(_Admin(script), server)
    if credentials is None:
        script.address = f"127.0.0.1:{server.add_insecure_port(listen)}"
    else:
        script.address = f"localhost:{server.add_secure_port(listen, credentials)}"
    server.start()
    try:
        yield script
    finally:
        server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[Script]:
    with serving() as script:
        yield script


@pytest.fixture
def serve() -> Callable[..., AbstractContextManager[Script]]:
    """For servers that need more than `server` has."""
    return serving


@pytest.fixture
def failing() -> Callable[..., Status]:
    """Makes a status with the details that are given."""

    def make(
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        violations: Sequence[tuple[str, str]] = (),
        retry_s: float | None = None,
    ) -> Status:
        status = Status(code=code.value[0], message=message)
        if reason:
            status.details.add().Pack(ErrorInfo(reason=reason, domain="dispatch"))
        if violations:
            named = [BadRequest.FieldViolation(field=field, description=text) for field, text in violations]
            status.details.add().Pack(BadRequest(field_violations=named))
        if retry_s is not None:
            delay = Duration()
            delay.FromNanoseconds(round(retry_s * 1e9))
            status.details.add().Pack(RetryInfo(retry_delay=delay))
        return status

    return make


@pytest.fixture
def reply() -> GenerateInstructionResponse:
    return GenerateInstructionResponse(name="instructions/1", instruction="派3台除雪车")
