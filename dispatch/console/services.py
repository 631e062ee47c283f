"""What the console is given to work with."""

from collections.abc import Callable
from dataclasses import dataclass

from dispatch.console.sessions import Sessions
from dispatch.store import Instruction, Store
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import ReviewDesk


@dataclass(frozen=True)
class Services:
    """All of it blocks, and is asked in threads."""

    desk: ReviewDesk
    store: Store
    sessions: Sessions
    explain: Callable[[Instruction], Explanation]
    """Raises ValueError where nothing can be explained, such as a report that no model has read."""
    refresh_s: float = 2.0
    """How often an open queue is read again."""
