"""What the console is given to work with."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from dispatch.console.sessions import Sessions
from dispatch.engine import DECODING, stand_back
from dispatch.store import Instruction, Store
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import ReviewDesk, Reviewer


@dataclass(frozen=True)
class Services:
    """All of it blocks, and is asked in threads."""

    desk: ReviewDesk
    store: Store
    sessions: Sessions
    explain: Callable[[Instruction], Explanation]
    """Raises ValueError where nothing can be explained, such as a report that no model has read."""
    merge: Callable[[Reviewer, str, str, str], Future[Instruction]]
    """Merges the instruction of a name into an incident, given the etag; the future has the second draft, or raises
    what `Merging.merge` does."""
    refresh_s: float = 2.0
    """How often an open queue is read again."""
    watch_s: float = 3.0
    """How often an open page asks whether its session goes on, and what is overdue."""
    explaining: Executor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "console-explain", stand_back, (DECODING,))
    )
    """Where explanations are made, one at a time: they take the processor from who decodes, and who only reads the
    store does not wait behind them."""
