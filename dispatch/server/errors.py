"""What a caller is told of a call that failed: a status with google.rpc details, and never a word of the report."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.decoding import DecodingCancelled
from dispatch.engine import UnusableRequest
from dispatch.server.logs import frames
from dispatch.store import RequestIdConflict, StoreError

DOMAIN = "dispatch"
STORE_RETRY_S = 1
# gRPC refuses trailing metadata beyond 8 KiB, and would then lose the whole status.
MAX_VIOLATIONS = 20

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class FieldViolation:
    """What is wrong with one field, by its path in the request such as ``context.issued[0]``."""

    field: str
    description: str


@dataclass(frozen=True)
class Failure:
    """One answer that is no reply; ``retry_after_s`` is 0 where trying again is no help."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: Sequence[FieldViolation] = ()
    retry_after_s: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


def invalid_argument(reason: str, message: str, violations: Sequence[FieldViolation] = ()) -> Failure:
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, message, violations)


def failure_of(error: Exception) -> Failure:
    """The failure that stands for an exception; one that nobody expected is logged under a reference."""
    if isinstance(error, RequestIdConflict):
        violation = FieldViolation("request_id", "was used for a request with other content")
        return invalid_argument("REQUEST_ID_REUSED", "request_id was used for another request", [violation])
    if isinstance(error, UnusableRequest):
        field, _, description = str(error).partition(": ")
        violation = FieldViolation(f"decoding.{field}", description)
        return invalid_argument("UNUSABLE_REQUEST", "the model cannot answer this request", [violation])
    if isinstance(error, StoreError):
        _log("the store failed", error)
        message = "the store cannot be written, so no instruction was issued; try again"
        return Failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", message, retry_after_s=STORE_RETRY_S)
    if isinstance(error, DecodingCancelled):
        return Failure(grpc.StatusCode.CANCELLED, "DECODING_CANCELLED", "the call ended before the instruction")
    reference = uuid.uuid4().hex
    _log(f"internal error {reference}", error)
    return Failure(
        grpc.StatusCode.INTERNAL,
        "INTERNAL_ERROR",
        f"internal error; the server's log has it under {reference}",
        metadata={"reference": reference},
    )


async def abort(context: Context, failure: Failure) -> NoReturn:
    """Ends the call with the failure and its details."""
    status = Status(code=failure.code.value[0], message=failure.message)
    status.details.add().Pack(ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=failure.metadata))
    if failure.violations:
        bad_request = BadRequest()
        for violation in failure.violations[:MAX_VIOLATIONS]:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        status.details.add().Pack(bad_request)
    if failure.retry_after_s:
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=failure.retry_after_s)))
    trailing = rpc_status.to_status(status).trailing_metadata
    await context.abort(failure.code, failure.message, trailing)
    raise AssertionError("abort returned")


def _log(what: str, error: BaseException) -> None:
    """Logs types and lines of code only: an exception's text may quote a report."""
    logger.error("%s:\n%s", what, "".join(frames(error)))
