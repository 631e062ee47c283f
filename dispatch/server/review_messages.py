"""What ReviewService answers, made of the store's records."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.domain.situation import JsonObject
from dispatch.server.conversion import to_situations
from dispatch.store import AuditEvent, Instruction, ReleasedOrder, Review
from dispatch.v1 import review_service_pb2 as messages
from dispatch.v1 import types_pb2

# Fields that the messages carry as the records hold them.
_OF_INSTRUCTION = (
    *("name", "request_id", "incident_id", "report", "context", "instruction", "candidates", "plan", "checks"),
    *("confidence", "priority", "review_state", "etag", "model", "doctrine", "claimed_by", "final_text"),
)
_MOMENTS = ("created_at", "due_at", "claimed_at", "lease_expires_at", "erased_at")
_OF_DECISION = ("cursor", "name", "incident_id", "action", "reviewer", "reason")
_OF_EVENT = ("seq", "actor", "action", "subject", "hash")


def to_instruction(record: Instruction) -> messages.Instruction:
    """Raises ValueError where the record holds a name that the messages lack."""
    carried: dict[str, Any] = {name: getattr(record, name) for name in _OF_INSTRUCTION}
    carried |= {name: _timestamp(getattr(record, name)) for name in _MOMENTS}
    return messages.Instruction(
        situations=to_situations(record.situations),
        releasable=record.review_state in ("approved", "revised"),
        **carried,
    )


def to_listed(record: Instruction) -> messages.Instruction:
    """The same without what makes it long: a page of them must fit into one message."""
    message = to_instruction(record)
    message.ClearField("candidates")
    message.context.ClearField("issued")
    return message


def to_decision(review: Review) -> messages.Decision:
    """A decision as dispatch systems get it."""
    carried: dict[str, Any] = {name: getattr(review, name) for name in _OF_DECISION}
    carried["superseded_by" if review.action == "superseded" else "text"] = review.text
    return messages.Decision(
        decided_at=_timestamp(review.decided_at),
        orders=[to_released_order(order) for order in review.orders],
        **carried,
    )


def to_released_order(released: ReleasedOrder) -> messages.ReleasedOrder:
    """An order with its state."""
    order = types_pb2.Order(**released.order.to_dict())
    reported_at = _timestamp(released.reported_at)
    return messages.ReleasedOrder(id=released.id, order=order, state=released.state, reported_at=reported_at)


def to_audit_event(event: AuditEvent) -> messages.AuditEvent:
    """Who did what when."""
    carried: dict[str, Any] = {name: getattr(event, name) for name in _OF_EVENT}
    message = messages.AuditEvent(at=_timestamp(event.at), **carried)
    message.details.update(event.details)
    return message


def to_pair(pair: JsonObject) -> messages.Pair:
    """A line of a file of pairs."""
    message = messages.Pair(
        report=pair["report"],
        context=pair.get("context", {}),
        instruction=pair["instruction"],
        situations=to_situations(pair.get("situations", ())),
    )
    message.provenance.update(pair.get("provenance", {}))
    return message


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message
