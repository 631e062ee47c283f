"""What stands for each exception: status, reason, and when to try again."""

from datetime import UTC, datetime

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from dispatch.decoding import DecodingCancelled
from dispatch.engine import (
    BatcherClosed,
    DeadlineUnreachable,
    Overloaded,
    UnknownModel,
    UnusableBundle,
    UnusableRequest,
)
from dispatch.server.errors import FieldViolation, InvalidFields, MalformedMessage, failure_of, status_of
from dispatch.store import (
    EtagMismatch,
    LeaseHeld,
    NotFound,
    RequestIdConflict,
    StateConflict,
    StoreError,
    StoreUnavailable,
)
from dispatch.workflow import NotAllowed, ReasonRequired

VIOLATION = FieldViolation("report", "must not be empty")


@pytest.mark.parametrize(
    ("error", "code", "reason", "retry_after_s"),
    [
        (InvalidFields([VIOLATION]), "INVALID_ARGUMENT", "INVALID_FIELDS", 0),
        (MalformedMessage([VIOLATION]), "INVALID_ARGUMENT", "MALFORMED_MESSAGE", 0),
        (RequestIdConflict("r1"), "INVALID_ARGUMENT", "REQUEST_ID_REUSED", 0),
        (UnusableRequest("prefix: too long"), "INVALID_ARGUMENT", "UNUSABLE_REQUEST", 0),
        (NotFound("instructions/0"), "NOT_FOUND", "NOT_FOUND", 0),
        (EtagMismatch("instructions/0"), "ABORTED", "ETAG_MISMATCH", 0),
        (LeaseHeld("instructions/0", "li", datetime.now(UTC)), "FAILED_PRECONDITION", "LEASE_HELD", 0),
        (StateConflict("instructions/0", "claimed", "approved"), "FAILED_PRECONDITION", "STATE_CONFLICT", 0),
        (ReasonRequired("rejected"), "INVALID_ARGUMENT", "REASON_REQUIRED", 0),
        (NotAllowed("review"), "PERMISSION_DENIED", "SCOPE_MISSING", 0),
        (UnknownModel("gone"), "NOT_FOUND", "UNKNOWN_MODEL", 0),
        (UnusableBundle("bad"), "FAILED_PRECONDITION", "BAD_BUNDLE", 0),
        (Overloaded(2.5), "RESOURCE_EXHAUSTED", "OVERLOADED", 2.5),
        (DeadlineUnreachable(9.0), "DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE", 0),
        (DeadlineUnreachable(0.0), "DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE", 0),
        (StoreError("the disk is full"), "UNAVAILABLE", "STORE_UNAVAILABLE", 1),
        (StoreUnavailable("lost"), "UNAVAILABLE", "STORE_UNAVAILABLE", 1),
        (BatcherClosed("closing"), "UNAVAILABLE", "SHUTTING_DOWN", 1),
        (DecodingCancelled(), "CANCELLED", "DECODING_CANCELLED", 0),
        (ZeroDivisionError("a defect"), "INTERNAL", "INTERNAL_ERROR", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_exception_has_its_status(error: Exception, code: str, reason: str, retry_after_s: float) -> None:
    failure = failure_of(error)
    assert (failure.code, failure.reason) == (grpc.StatusCode[code], reason)
    status = status_of(failure)
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.reason, info.domain) == (failure.code.value[0], reason, "dispatch")
    assert any(detail.Unpack(retry) for detail in status.details) == bool(retry_after_s)
    assert retry.retry_delay.ToMilliseconds() == retry_after_s * 1000


def test_a_short_delay_is_said_as_well() -> None:
    retry = RetryInfo()
    assert status_of(failure_of(Overloaded(0.0001))).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1
