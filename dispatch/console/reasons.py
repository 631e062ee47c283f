"""The dialog that wants a reason before a step is taken."""

from collections.abc import Awaitable, Callable, Sequence

from dispatch.console.elements import button, call, element, field, set_attributes, set_value, submit, text
from dispatch.console.layout import Visit
from dispatch.domain import Check
from dispatch.workflow.review import MAX_REASON


class ReasonDialog:
    """Asks, and goes on only with a reason; there is no key that answers it."""

    def __init__(self, visit: Visit) -> None:
        self._words = words = visit.words
        self._go: Callable[[str], Awaitable[None]] | None = None
        self._dialog = element("dialog", "reason", {"aria-labelledby": "reason-title"})
        with self._dialog:
            self._title = text("h2", "", "", {"id": "reason-title"})
            self._doubts = element("ul", "checks")
            self._field = field(words("reason.label"), "textarea", {"rows": 3, "maxlength": MAX_REASON})
            with element("div", "answers"):
                confirm = submit(words("reason.confirm"), "", self._field, self._answer, "primary")
                set_attributes(confirm, {"data-answer": "confirm"})  # the browser turns it off while the field is empty
                button(words("reason.cancel"), "", lambda: call(self._dialog, "close"))

    def ask(self, action: str, doubts: Sequence[Check], go: Callable[[str], Awaitable[None]]) -> None:
        """Show it; ``go`` is told the reason, if one is given."""
        self._go = go
        self._title.set_text(self._words(f"reason.{action}"))
        self._doubts.clear()
        with self._doubts:
            for check in doubts:
                with element("li", f"check {check.severity}"):
                    text("span", check.code, "code")
                    text("span", self._words.check(check.code, check.message), "said")
        set_value(self._field, "")
        call(self._dialog, "showModal")
        call(self._field, "focus")

    async def _answer(self, reason: str) -> None:
        if reason.strip() and self._go is not None:
            go, self._go = self._go, None
            call(self._dialog, "close")
            await go(reason.strip())
