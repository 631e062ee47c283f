"""The client of ReviewService: for reviewers and auditors, and for dispatch systems that learn what was decided."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc

from dispatch.client.connection import TIMEOUT_S, Connection, TlsFiles
from dispatch.client.conversion import to_check
from dispatch.client.errors import error_of_call
from dispatch.client.patience import Patience
from dispatch.client.results import Check
from dispatch.client.review_conversion import (
    to_audit_event,
    to_decision,
    to_history,
    to_page,
    to_released_order,
    to_reviewed,
)
from dispatch.client.reviews import AuditEvent, Decision, History, InstructionPage, ReleasedOrder, ReviewedInstruction
from dispatch.v1 import review_service_pb2 as messages
from dispatch.v1.review_service_pb2_grpc import ReviewServiceStub

_BROKEN_OFF = ("UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED")
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 10.0

Request = TypeVar("Request")
Response = TypeVar("Response")


class ReviewClient:
    """Blocking client, usable from many threads, but not across a fork. Use it as a context manager.

    Every method raises DispatchError where the call fails. What changes something is never sent again by itself: where
    its answer is lost, read the instruction again and see.

    Args:
        target: HOST:PORT.
        timeout_s: deadline of each call in seconds; a watch has none.
        tls: encrypts the connection; None is plaintext.
        token: bearer token; ValueError where it would travel in the clear to another machine.
        keepalive_s: how often the server is asked whether it is still there.
    """

    def __init__(
        self,
        target: str,
        timeout_s: float = TIMEOUT_S,
        *,
        tls: TlsFiles | None = None,
        token: str = "",
        keepalive_s: float = 30.0,
    ) -> None:
        connection = Connection(target, tls, token, keepalive_s)
        self._timeout_s = timeout_s
        self._metadata = connection.metadata()
        self._channel = connection.open_channel()
        self._stub = ReviewServiceStub(self._channel)

    def list_instructions(
        self,
        *,
        states: Sequence[str] = ("pending",),
        priority: str = "",
        hazard: str = "",
        text: str = "",
        claimed_by: str = "",
        incident_id: str = "",
        page_size: int = 50,
        page_token: str = "",
    ) -> InstructionPage:
        """The queue, the most urgent first, then the oldest; telephone numbers are masked."""
        request = messages.ListInstructionsRequest(
            states=states,
            priority=priority,
            hazard=hazard,
            text=text,
            claimed_by=claimed_by,
            incident_id=incident_id,
            page_size=page_size,
            page_token=page_token,
        )
        return to_page(self._read(self._stub.ListInstructions, request))

    def get_instruction(self, name: str) -> History:
        """One instruction with its decisions; that somebody has read it is recorded."""
        return to_history(self._read(self._stub.GetInstruction, messages.GetInstructionRequest(name=name)))

    def claim(self, name: str) -> ReviewedInstruction:
        """Holds an instruction until the lease expires; its holder renews it so."""
        return to_reviewed(
            self._ask(self._stub.ClaimInstruction, messages.ClaimInstructionRequest(name=name)).instruction
        )

    def release(self, name: str) -> ReviewedInstruction:
        """Gives a claim back undecided."""
        request = messages.ReleaseInstructionRequest(name=name)
        return to_reviewed(self._ask(self._stub.ReleaseInstruction, request).instruction)

    def approve(self, name: str, *, etag: str, reason: str = "") -> ReviewedInstruction:
        """Releases the draft; over an error, and at low confidence, with a reason."""
        request = messages.ApproveInstructionRequest(name=name, etag=etag, reason=reason)
        return to_reviewed(self._ask(self._stub.ApproveInstruction, request).instruction)

    def revise(self, name: str, *, etag: str, text: str, reason: str = "") -> ReviewedInstruction:
        """Releases another text; over an error with a reason."""
        request = messages.ReviseInstructionRequest(name=name, etag=etag, text=text, reason=reason)
        return to_reviewed(self._ask(self._stub.ReviseInstruction, request).instruction)

    def check_revision(self, name: str, text: str) -> tuple[Check, ...]:
        """What the checks would say of a text in the draft's place; changes nothing."""
        request = messages.ReviseInstructionRequest(name=name, text=text, validate_only=True)
        return tuple(map(to_check, self._read(self._stub.ReviseInstruction, request).checks))

    def reject(self, name: str, *, etag: str, reason: str) -> ReviewedInstruction:
        """Releases nothing."""
        request = messages.RejectInstructionRequest(name=name, etag=etag, reason=reason)
        return to_reviewed(self._ask(self._stub.RejectInstruction, request).instruction)

    def return_for_review(self, name: str, *, etag: str, reason: str) -> ReviewedInstruction:
        """Back into the queue for somebody else; what was released is withdrawn."""
        request = messages.ReturnInstructionRequest(name=name, etag=etag, reason=reason)
        return to_reviewed(self._ask(self._stub.ReturnInstruction, request).instruction)

    def recall(self, name: str, *, etag: str, reason: str, superseded_by: str = "") -> ReviewedInstruction:
        """Withdraws what was released; with `superseded_by` another instruction takes its place."""
        request = messages.RecallInstructionRequest(name=name, etag=etag, reason=reason, superseded_by=superseded_by)
        return to_reviewed(self._ask(self._stub.RecallInstruction, request).instruction)

    def watch(self, *, after: int = 0, agency: str = "") -> Iterator[Decision]:
        """Every decision behind a cursor, and then each new one when it is made; does not end by itself.

        Of an agency, those with orders for it, with its own orders alone. Each comes at least once and in its order:
        keep the cursor of the last one that you have dealt with, and begin behind it the next time. Once begun, a watch
        that breaks off is taken up again.
        """
        begun, delay_s = False, _FIRST_DELAY_S
        while True:
            request = messages.WatchInstructionsRequest(after=after, agency=agency)
            call = self._stub.WatchInstructions(request, metadata=self._metadata, wait_for_ready=begun)
            try:
                call.initial_metadata()  # comes when the watch has begun, however long there is nothing to tell
                begun = begun or call.is_active()
                for message in call:
                    delay_s = _FIRST_DELAY_S
                    yield to_decision(message.decision)
                    after = message.decision.cursor
            except grpc.RpcError as error:
                failure = error_of_call(error)
                if failure.code not in _BROKEN_OFF or not (begun or failure.reason):
                    raise failure from error
                wait_s = failure.retry_after_s or delay_s
            else:  # nobody but something between ends it without an error
                wait_s = delay_s
            finally:
                call.cancel()
            time.sleep(wait_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def report_order(self, order_id: str, state: str) -> ReleasedOrder:
        """Says how far an order has got: issued, acknowledged, on_scene or cancelled. Saying it twice does no harm."""
        request = messages.ReportOrderStatusRequest(order_id=order_id, state=state)
        return to_released_order(self._read(self._stub.ReportOrderStatus, request).order)

    def list_audit_events(
        self, *, subject: str = "", actor: str = "", after: int = 0, page_size: int = 100
    ) -> tuple[AuditEvent, ...]:
        """Who did what when, the events after a number, in their order."""
        request = messages.ListAuditEventsRequest(subject=subject, actor=actor, after=after, page_size=page_size)
        return tuple(map(to_audit_event, self._read(self._stub.ListAuditEvents, request).events))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request) -> Response:
        try:
            return method(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of_call(error) from error

    def _read(self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request) -> Response:
        """What may be asked twice is asked again where the server is busy."""
        patience = Patience(self._timeout_s)
        while True:
            try:
                return method(request, timeout=patience.left_s(), metadata=self._metadata)
            except grpc.RpcError as error:
                failure = error_of_call(error)
                if (delay := patience.delay_s(failure)) is None:
                    raise failure from error
            time.sleep(delay)
