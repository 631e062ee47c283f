"""What ReviewService answers, as plain values; `to_dict` gives the JSON that `dispatch review` prints."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from dispatch.client.results import Candidate, Check, JsonObject, ModelIdentity, Order, Situation


@dataclass(frozen=True)
class ReleasedOrder:
    """An order that was released, and how far it has got."""

    id: str
    order: Order
    state: str
    """released, issued, acknowledged, on_scene, cancelled or recalled."""
    reported_at: datetime

    def to_dict(self) -> JsonObject:
        return {name: _plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Decision:
    """One decision about an instruction."""

    cursor: int
    """Its place among all decisions: what a watch is taken up behind."""
    name: str
    """Of the instruction, instructions/ID."""
    incident_id: str
    action: str
    """approved, revised, rejected, returned, recalled, superseded, or escalated: nobody has decided in time."""
    reviewer: str
    reason: str
    text: str
    """What was released; of what was escalated the report as it came."""
    superseded_by: str
    """Of what was superseded: the instruction that takes its place."""
    decided_at: datetime
    orders: tuple[ReleasedOrder, ...]

    def to_dict(self) -> JsonObject:
        return {name: _plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class ReviewedInstruction:
    """A report, what was drafted for it, and how far its review is."""

    name: str
    """instructions/ID."""
    request_id: str
    incident_id: str
    report: str
    location: str
    """The caller's place, as the context gave it."""
    issued: tuple[str, ...]
    """What had been issued for the incident before."""
    instruction: str
    """The draft."""
    candidates: tuple[Candidate, ...]
    situations: tuple[Situation, ...]
    plan: tuple[Order, ...]
    checks: tuple[Check, ...]
    confidence: float
    priority: str
    review_state: str
    """pending, claimed, approved, revised, rejected, recalled or superseded."""
    releasable: bool
    etag: str
    """Identifies this state of it; a decision must carry it."""
    model: ModelIdentity
    doctrine: str
    created_at: datetime | None
    due_at: datetime | None
    claimed_by: str
    claimed_at: datetime | None
    lease_expires_at: datetime | None
    final_text: str
    """As it was approved or revised; empty before, and for whoever is neither reviewer nor auditor."""
    erased_at: datetime | None

    def to_dict(self) -> JsonObject:
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True)
class History:
    """An instruction with the decisions about it, oldest first."""

    instruction: ReviewedInstruction
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class InstructionPage:
    """Some of the queue; an empty token after the last of it."""

    instructions: tuple[ReviewedInstruction, ...]
    next_page_token: str


@dataclass(frozen=True)
class AuditEvent:
    """Who did what when, to what."""

    seq: int
    at: datetime
    actor: str
    """Empty for Dispatch itself, and where nobody is asked who they are."""
    action: str
    subject: str
    details: Mapping[str, Any]
    hash: str

    def to_dict(self) -> JsonObject:
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value.to_dict() if hasattr(value, "to_dict") else value
