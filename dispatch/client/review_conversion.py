"""Replies of ReviewService to values."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict

from dispatch.client.conversion import to_candidate, to_check, to_identity, to_order, to_situation
from dispatch.client.reviews import (
    AuditEvent,
    Decision,
    History,
    InstructionPage,
    ReleasedOrder,
    ReviewedInstruction,
)
from dispatch.v1 import review_service_pb2 as messages

_SAME = (
    *("name", "request_id", "incident_id", "report", "instruction", "confidence", "priority", "review_state"),
    *("releasable", "etag", "doctrine", "claimed_by", "final_text"),
)
_MOMENTS = ("created_at", "due_at", "claimed_at", "lease_expires_at", "erased_at")
_SAME_OF_DECISION = ("cursor", "name", "incident_id", "action", "reviewer", "reason", "text", "superseded_by")


def to_reviewed(message: messages.Instruction) -> ReviewedInstruction:
    same: dict[str, Any] = {name: getattr(message, name) for name in _SAME}
    moments: dict[str, Any] = {name: _moment(message, name) for name in _MOMENTS}
    return ReviewedInstruction(
        location=message.context.location,
        issued=tuple(message.context.issued),
        candidates=tuple(map(to_candidate, message.candidates)),
        situations=tuple(map(to_situation, message.situations)),
        plan=tuple(map(to_order, message.plan)),
        checks=tuple(map(to_check, message.checks)),
        model=to_identity(message.model),
        **same,
        **moments,
    )


def to_history(message: messages.GetInstructionResponse) -> History:
    return History(to_reviewed(message.instruction), tuple(map(to_decision, message.decisions)))


def to_page(message: messages.ListInstructionsResponse) -> InstructionPage:
    return InstructionPage(tuple(map(to_reviewed, message.instructions)), message.next_page_token)


def to_decision(message: messages.Decision) -> Decision:
    same: dict[str, Any] = {name: getattr(message, name) for name in _SAME_OF_DECISION}
    orders = tuple(map(to_released_order, message.orders))
    return Decision(decided_at=message.decided_at.ToDatetime(UTC), orders=orders, **same)


def to_released_order(message: messages.ReleasedOrder) -> ReleasedOrder:
    return ReleasedOrder(message.id, to_order(message.order), message.state, message.reported_at.ToDatetime(UTC))


def to_audit_event(message: messages.AuditEvent) -> AuditEvent:
    at, details = message.at.ToDatetime(UTC), MessageToDict(message.details)
    return AuditEvent(message.seq, at, message.actor, message.action, message.subject, details, message.hash)


def _moment(message: messages.Instruction, name: str) -> datetime | None:
    found: datetime | None = getattr(message, name).ToDatetime(UTC) if message.HasField(name) else None  # type: ignore[arg-type]
    return found
