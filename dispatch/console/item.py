"""All that a review page shows of one instruction, read at one time."""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.console.services import Services
from dispatch.domain import Check
from dispatch.store import Instruction, QueueFilter, Review
from dispatch.store.records import REVIEW_STATES
from dispatch.workflow.review import Reviewer

MOST_OF_AN_INCIDENT = 20


@dataclass(frozen=True)
class Item:
    """An instruction, what was decided about it, and what its incident has beside it; masked by role."""

    instruction: Instruction
    checks: tuple[Check, ...]
    doubts: tuple[Check, ...]
    """Findings over which it is not approved without a reason."""
    history: Sequence[Review]
    incident: tuple[Instruction, ...]
    """The other instructions of the incident."""


def read_item(services: Services, reviewer: Reviewer, name: str) -> Item:
    """Reads it. Raises NotFound, StoreError."""
    desk = services.desk
    instruction = desk.get(reviewer, name)
    checks = tuple(Check.from_dict(check) for check in instruction.checks)
    return Item(
        instruction,
        tuple(sorted(checks, key=lambda check: ("error", "warning", "info").index(check.severity))),
        tuple(desk.doubts(instruction)),
        desk.history(reviewer, name),
        _incident_of(services, reviewer, instruction),
    )


def _incident_of(services: Services, reviewer: Reviewer, instruction: Instruction) -> tuple[Instruction, ...]:
    if not instruction.incident_id:
        return ()
    wanted = QueueFilter(states=REVIEW_STATES, incident_id=instruction.incident_id)
    page = services.desk.list(reviewer, wanted, limit=MOST_OF_AN_INCIDENT)
    others = (other for other in page.instructions if other.name != instruction.name)
    return tuple(sorted(others, key=lambda other: other.created_at))
