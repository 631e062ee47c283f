"""What a caller is told of a call that failed: a status with google.rpc details, and never a word of the report."""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.decoding import DecodingCancelled
from dispatch.engine import (
    BatcherClosed,
    DeadlineUnreachable,
    Overloaded,
    UnknownModel,
    UnusableBundle,
    UnusableRequest,
)
from dispatch.server.logs import frames
from dispatch.store import (
    EtagMismatch,
    LeaseHeld,
    NotFound,
    RequestIdConflict,
    StateConflict,
    StoreError,
    StoreUnavailable,
)
from dispatch.workflow.explain import NothingToExplain
from dispatch.workflow.review import NotAllowed, ReasonRequired

DOMAIN = "dispatch"
STORE_RETRY_S = 1.0
SHUTDOWN_RETRY_S = 1.0
# gRPC refuses trailing metadata beyond 8 KiB, and would then lose the whole status.
MAX_VIOLATIONS = 20
MAX_MESSAGE_BYTES = 1000
"""Of a failure's message, in UTF-8: it is sent twice, once of them with three characters for each byte."""

Reason = Literal[
    "INVALID_FIELDS",
    "MALFORMED_MESSAGE",
    "REQUEST_ID_REUSED",
    "UNUSABLE_REQUEST",
    "UNKNOWN_MODEL",
    "BAD_BUNDLE",
    "LABEL_CONFLICT",
    "LOADING_DISABLED",
    "EXPORT_DISABLED",
    "NOT_FOUND",
    "ETAG_MISMATCH",
    "LEASE_HELD",
    "STATE_CONFLICT",
    "REASON_REQUIRED",
    "NOTHING_TO_EXPLAIN",
    "UNAUTHENTICATED",
    "SCOPE_MISSING",
    "RATE_LIMITED",
    "OVERLOADED",
    "DEADLINE_UNREACHABLE",
    "STORE_UNAVAILABLE",
    "SHUTTING_DOWN",
    "DECODING_CANCELLED",
    "INTERNAL_ERROR",
]
"""The reasons that ErrorInfo names; docs/api.md says of each what it means."""

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
    reason: Reason
    message: str
    violations: Sequence[FieldViolation] = ()
    retry_after_s: float = 0.0
    metadata: Mapping[str, str] = field(default_factory=dict)


SHUTTING_DOWN = Failure(
    grpc.StatusCode.UNAVAILABLE,
    "SHUTTING_DOWN",
    "the server is stopping and takes nothing more; try again, there or elsewhere",
    retry_after_s=SHUTDOWN_RETRY_S,
)


class MalformedMessage(ValueError):
    """Bytes that are no such message; ``violations`` name the fields where they can be named."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("the request cannot be read")
        self.violations = tuple(violations)


class InvalidFields(ValueError):
    """A request that can be read and breaks rules; every violation is named."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        named = ", ".join(dict.fromkeys(violation.field for violation in violations[:5]))
        super().__init__(f"the request is not valid: {named}")
        self.violations = tuple(violations)


def invalid_argument(reason: Reason, message: str, violations: Sequence[FieldViolation] = ()) -> Failure:
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, message, violations)


def failure_of(error: Exception) -> Failure:
    """The failure that stands for an exception; one that nobody expected is logged under a reference."""
    match error:
        case InvalidFields():
            return invalid_argument("INVALID_FIELDS", str(error), error.violations)
        case MalformedMessage():
            return invalid_argument("MALFORMED_MESSAGE", str(error), error.violations)
        case RequestIdConflict():
            violation = FieldViolation("request_id", "was used for a request with other content")
            return invalid_argument("REQUEST_ID_REUSED", "request_id was used for another request", [violation])
        case UnusableRequest():
            field, _, description = str(error).partition(": ")
            violation = FieldViolation(f"decoding.{field}", description)
            return invalid_argument("UNUSABLE_REQUEST", "the model cannot answer this request", [violation])
        case UnknownModel():
            return Failure(grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL", "no such model is loaded; ListModels names them")
        case BatcherClosed():
            return SHUTTING_DOWN
        case UnusableBundle():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, "BAD_BUNDLE", str(error))
        case Overloaded():
            message = "too much is waiting already, so this was not begun; try again later"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return Failure(code, "OVERLOADED", message, retry_after_s=error.retry_after_s)
        case DeadlineUnreachable():
            message = f"{error}; allow more time"
            return Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_UNREACHABLE", message)
        case StoreError():
            _log_store(error)
            message = (
                "the store cannot be used now, so nothing is answered; what was asked may have been done all the same"
            )
            return Failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", message, retry_after_s=STORE_RETRY_S)
        case DecodingCancelled():
            return Failure(grpc.StatusCode.CANCELLED, "DECODING_CANCELLED", "the call ended before the instruction")
    return _failure_of_review(error) or _internal_error(error)


def lacks_scope(scope: str) -> Failure:
    """For a caller who may not do what was asked; "" where nobody may."""
    message = f"the token lacks the scope {scope}" if scope else "nobody may call this method"
    return Failure(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", message, metadata={"scope": scope})


def _failure_of_review(error: Exception) -> Failure | None:
    """Of what was asked about an instruction; None for any other exception."""
    match error:
        case NotAllowed():
            return lacks_scope(error.scope)
        case ReasonRequired():
            violation = FieldViolation("reason", str(error).partition(": ")[2])
            return invalid_argument("REASON_REQUIRED", str(error), [violation])
        case NotFound():
            return Failure(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", str(error))
        case EtagMismatch():
            return Failure(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", str(error))
        case LeaseHeld():
            held = {"holder": error.holder, "until": error.until.isoformat(timespec="seconds")}
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, "LEASE_HELD", str(error), metadata=held)
        case StateConflict():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, "STATE_CONFLICT", str(error))
        case NothingToExplain():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_EXPLAIN", str(error))
    return None


def status_of(failure: Failure) -> Status:
    """The status with its details: ErrorInfo, and BadRequest and RetryInfo where they apply."""
    status = Status(code=failure.code.value[0], message=_shortened(failure.message))
    status.details.add().Pack(ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=failure.metadata))
    if failure.violations:
        bad_request = BadRequest()
        for violation in failure.violations[:MAX_VIOLATIONS]:
            bad_request.field_violations.add(field=violation.field, description=_shortened(violation.description))
        status.details.add().Pack(bad_request)
    if failure.retry_after_s:
        delay = Duration()
        delay.FromMilliseconds(max(1, round(failure.retry_after_s * 1000)))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


async def abort(context: Context, failure: Failure) -> NoReturn:
    """Ends the call with the failure and its details."""
    trailing = rpc_status.to_status(status_of(failure)).trailing_metadata
    try:
        await context.abort(failure.code, _shortened(failure.message), trailing)
    except grpc.aio.InternalError:  # so gRPC says that the caller has left
        raise asyncio.CancelledError from None
    raise AssertionError("abort returned")


async def write(context: Context, reply: Any) -> None:
    """Sends one reply of a stream; raises CancelledError where the caller has left."""
    try:
        await context.write(reply)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None


def _shortened(message: str) -> str:
    """What of a message fits; a name from a disk may hold half a character, which cannot be sent."""
    return message.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def _internal_error(error: Exception) -> Failure:
    reference = uuid.uuid4().hex
    _log(f"internal error {reference}", error)
    return Failure(
        grpc.StatusCode.INTERNAL,
        "INTERNAL_ERROR",
        f"internal error; the server's log has it under {reference}",
        metadata={"reference": reference},
    )


def _log_store(error: StoreError) -> None:
    """One that is away fails every call in the same way: one line says why, and quotes no report (StoreError)."""
    if isinstance(error, StoreUnavailable):
        logger.error("the store cannot be used: %s", error)
    else:
        _log("the store failed", error)


def _log(what: str, error: BaseException) -> None:
    """Logs types and lines of code only: an exception's text may quote a report."""
    logger.error("%s:\n%s", what, "".join(frames(error)))
