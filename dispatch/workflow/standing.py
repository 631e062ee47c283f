"""Standing: what counts as issued for an incident, and what a draft counts as issued although it does not any more."""

from collections.abc import Sequence

from dispatch.domain import Check, Doctrine, parse_orders
from dispatch.model import normalize
from dispatch.store import Instruction, InstructionStore

STANDING = ("pending", "claimed", "approved", "revised")
"""The review states of what counts as issued for its incident."""


def find_withdrawn(store: InstructionStore, instruction: Instruction, doctrine: Doctrine) -> Sequence[Check]:
    """A finding for each text that the draft counts as issued, and that was withdrawn or revised to other orders since:
    the draft sends so much less. Raises StoreError."""
    issued = instruction.context.get("issued", ())
    if not (issued and instruction.incident_id):
        return []
    rows = [row for row in store.list_incident(instruction.incident_id) if row.name != instruction.name]
    standing = {row.final_text or row.instruction for row in rows if row.review_state in STANDING}
    found: dict[str, Check] = {}
    for row in rows:
        counted = next((text for text in (row.final_text, row.instruction) if text and text in issued), "")
        if not counted or counted in standing or _still_sends(row, counted, doctrine):
            continue
        message = f"{counted} is counted as issued, and is not any more: {row.name} is {row.review_state}"
        found[counted] = Check("ISSUED_WITHDRAWN", "warning", message, "context")
    return list(found.values())


def _still_sends(row: Instruction, counted: str, doctrine: Doctrine) -> bool:
    """Whether all that a text orders is in what was released in its place."""
    if row.review_state != "revised":
        return False
    released = parse_orders(row.final_text, doctrine)
    return all(order in released for order in parse_orders(normalize(counted).text, doctrine))
