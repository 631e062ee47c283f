"""The serving mode: whether the model drafts, or reports go to the reviewers as they came (the kill switch)."""

import threading
from typing import Literal, get_args

from dispatch.store import Audit
from dispatch.store.records import check_text

Mode = Literal["assist", "pass-through"]
MODES: tuple[Mode, ...] = get_args(Mode)
MAX_REASON = 500  # characters

_SUBJECT = "serving-mode"
_ACTION = "serving-mode.set"


class ServingMode:
    """The mode in force. The last audit event about it says which, so it holds across restarts. Threads may share one.

    Where several servers use one database, each reads what the others set by `refresh`.
    """

    def __init__(self, audit: Audit) -> None:
        """Raises StoreError where the database fails."""
        self._audit = audit
        self._lock = threading.Lock()  # one change at a time
        self._recorded = True
        self._mode: Mode = "assist"
        self.refresh()

    @property
    def mode(self) -> Mode:
        """The mode now; does not wait."""
        return self._mode

    def set(self, mode: Mode, reason: str, actor: str) -> None:
        """Change the mode and record who did it and why; waits for the commit.

        The model stops at once, and stays so even if that cannot be recorded; it begins again only when that is.
        Raises StoreError where it cannot be recorded, ValueError for what is no mode or no reason.
        """
        if mode not in MODES:
            raise ValueError(f"mode: must be one of {', '.join(MODES)}, not {mode!r}")
        if len(reason) > MAX_REASON:
            raise ValueError(f"reason: must have at most {MAX_REASON} characters, not {len(reason)}")
        check_text("reason", reason)
        with self._lock:
            if mode == "pass-through":
                self._mode, self._recorded = mode, False
            self._audit.record(_ACTION, actor, _SUBJECT, {"mode": mode, "reason": reason})
            self._mode, self._recorded = mode, True

    def refresh(self) -> None:
        """Take over what was recorded last, by whichever server; but not in the place of what could not be recorded.

        Raises StoreError.
        """
        with self._lock:
            if self._recorded:
                last = self._audit.latest(_SUBJECT)
                self._mode = "assist" if last is None or last.details.get("mode") == "assist" else "pass-through"
