"""The Python client of a Dispatch server, sync and async.

with Client("127.0.0.1:50051") as client:
    answer = client.generate("山区公路积雪3米,断电,50人被困", location="A7公路")
print(answer["instruction"])
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from dispatch.v1 import types_pb2
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, GenerateInstructionResponse
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

if TYPE_CHECKING:
    from dispatch.decoding import DecodingConfig  # at run time it would load torch

TIMEOUT_S = 30.0
# Each call has a request_id, so a repeat gets the stored answer and cannot issue a second instruction.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "dispatch.v1.DispatchService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "3s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_OPTIONS = (
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.keepalive_time_ms", 30_000),  # a server that vanished is noticed before the operating system gives up on it
)


@dataclass(frozen=True)
class FieldViolation:
    """What the server finds wrong with one field."""

    field: str
    description: str


class DispatchError(Exception):
    """A call that failed.

    `code` is the gRPC status such as "UNAVAILABLE", `reason` the case such as "REQUEST_ID_REUSED" ("" where the server
    names none), `violations` every field that is wrong.
    """

    def __init__(self, code: str, message: str, violations: Sequence[FieldViolation] = (), reason: str = "") -> None:
        details = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
        super().__init__(f"{code}: {message}" + (f" ({details})" if details else ""))
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        self.reason = reason


class Client:
    """Blocking client, usable from many threads. Use it as a context manager."""

    def __init__(self, target: str, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._stub = DispatchServiceStub(self._channel)

    def generate(
        self,
        report: str,
        *,
        location: str = "",
        issued: Sequence[str] = (),
        request_id: str = "",
        incident_id: str = "",
        decoding: "DecodingConfig | None" = None,
        prefix: str = "",
        model: str = "",
        priority: str = "",
    ) -> dict[str, Any]:
        """Drafts the instruction for a report; the server has stored it when this returns.

        The answer holds what `dispatch generate --json` prints, and review_state, releasable and due_at (None where no
        review is scheduled). Without a request_id the call gets one, so that it can be retried safely while the server
        is unavailable; give one to repeat the call yourself. Raises DispatchError.
        """
        request = _request(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        try:
            return _answer(self._stub.GenerateInstruction(request, timeout=self._timeout_s))
        except grpc.RpcError as error:
            raise _dispatch_error(error) from error

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: made in a running event loop and used as an async context manager."""

    def __init__(self, target: str, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._stub = DispatchServiceStub(self._channel)

    async def generate(
        self,
        report: str,
        *,
        location: str = "",
        issued: Sequence[str] = (),
        request_id: str = "",
        incident_id: str = "",
        decoding: "DecodingConfig | None" = None,
        prefix: str = "",
        model: str = "",
        priority: str = "",
    ) -> dict[str, Any]:
        """As `Client.generate`."""
        request = _request(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        try:
            return _answer(await self._stub.GenerateInstruction(request, timeout=self._timeout_s))
        except grpc.RpcError as error:
            raise _dispatch_error(error) from error

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _request(
    report: str,
    location: str,
    issued: Sequence[str],
    request_id: str,
    incident_id: str,
    decoding: "DecodingConfig | None",
    prefix: str,
    model: str,
    priority: str,
) -> GenerateInstructionRequest:
    options = asdict(decoding) if decoding else {}
    strategy = f"DECODING_STRATEGY_{options.pop('strategy', 'unspecified').upper()}"
    return GenerateInstructionRequest(
        request_id=request_id or uuid.uuid4().hex,
        incident_id=incident_id,
        report=report,
        context=types_pb2.Context(location=location, issued=issued),
        decoding=types_pb2.Decoding(strategy=types_pb2.DecodingStrategy.Value(strategy), prefix=prefix, **options),
        model=model,
        priority=priority,
    )


def _answer(message: GenerateInstructionResponse) -> dict[str, Any]:
    """The reply in the names and the form of the stored JSON."""
    answer = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    situations = [_situation(situation) for situation in message.situations]
    return (
        {"due_at": None}
        | answer
        | {
            "situation": situations[0] if situations else {},
            "situations": situations,
            "plan": [{"count": None} | order for order in answer["plan"]],
        }
    )


def _situation(message: types_pb2.Situation) -> dict[str, Any]:
    """Empty fields are left out except kind and location, as the domain writes them."""
    situation = {"kind": "", "location": ""} | MessageToDict(message, preserving_proto_field_name=True)
    for category, count in situation.get("people", {}).items():
        situation["people"][category] = {"min": 0, "max": None} | count
    return situation


def _dispatch_error(error: grpc.RpcError) -> DispatchError:
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)  # what both kinds of stub raise
    violations: list[FieldViolation] = []
    info, bad_request = ErrorInfo(), BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(info)
        if detail.Unpack(bad_request):
            violations = [FieldViolation(item.field, item.description) for item in bad_request.field_violations]
    return DispatchError(error.code().name, error.details() or "", violations, info.reason)
