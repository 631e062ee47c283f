"""Calls that failed, as one exception."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True)
class FieldViolation:
    """What the server finds wrong with one field."""

    field: str
    description: str


class DispatchError(Exception):
    """A call that failed.

    Args:
        code: the gRPC status, such as "UNAVAILABLE".
        message: what the server says, for people.
        violations: every field that is wrong.
        reason: the case, such as "REQUEST_ID_REUSED"; docs/api.md lists them; "" where the server names none.
        retry_after_s: when the server wants to be asked again, in seconds; None where it does not say.
        metadata: what belongs to the reason, such as the scope that a token lacks.
    """

    def __init__(
        self,
        code: str,
        message: str,
        violations: Sequence[FieldViolation] = (),
        reason: str = "",
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        # All of them in this order, or it would not survive the way to another process.
        super().__init__(code, message, tuple(violations), reason, retry_after_s, metadata)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        details = "; ".join(f"{violation.field}: {violation.description}" for violation in self.violations)
        return f"{self.code}: {self.message}" + (f" ({details})" if details else "")


def error_of_call(error: grpc.RpcError) -> DispatchError:
    """Of what a stub raised."""
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)  # what both kinds of stub raise
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # somebody between us and the server has changed the status and left its details
        status = None
    return _error(error.code().name, error.details() or "", status or Status())


def error_of_status(status: Status) -> DispatchError:
    """Of a status that is not OK."""
    return _error(_CODES.get(status.code, "UNKNOWN"), status.message, status)


def _error(code: str, message: str, status: Status) -> DispatchError:
    violations: list[FieldViolation] = []
    retry_after_s: float | None = None
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        if detail.Unpack(bad_request):
            violations = [FieldViolation(item.field, item.description) for item in bad_request.field_violations]
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return DispatchError(code, message, violations, info.reason, retry_after_s, dict(info.metadata))
