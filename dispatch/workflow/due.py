"""Due: by when somebody should have decided about a draft."""

from dataclasses import dataclass, replace
from datetime import timedelta

from dispatch.domain import PRIORITIES
from dispatch.store import Instruction


@dataclass(frozen=True, kw_only=True)
class DueTimes:
    """Seconds from a draft to its decision, by priority. Raises ValueError for one that is not above 0."""

    immediate_s: float = 60.0
    """特急: a minute from the call to the dispatch is the usual standard (NFPA 1225)."""
    urgent_s: float = 180.0
    """紧急"""
    routine_s: float = 900.0
    """一般"""

    def __post_init__(self) -> None:
        for name, seconds in vars(self).items():
            if not seconds > 0:
                raise ValueError(f"{name} must be above 0, not {seconds:g}")

    def schedule(self, draft: Instruction) -> Instruction:
        """The draft with its due_at, as it is to be stored."""
        seconds = dict(zip(PRIORITIES, (self.immediate_s, self.urgent_s, self.routine_s), strict=True))
        return replace(draft, due_at=draft.created_at + timedelta(seconds=seconds[draft.priority]))
