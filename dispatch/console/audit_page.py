"""The audit trail: who did what when, for those who may see it."""

from collections.abc import Callable, Sequence

from fastapi import Request
from nicegui import ui

from dispatch.console.elements import beginning, button, element, entry, set_attributes, text
from dispatch.console.layout import PATIENCE_S, Messages, SessionOver, Visit, frame, visit_of
from dispatch.store import AuditEvent, StoreError
from dispatch.workflow.review import NotAllowed

ROWS = 100  # of a page


@ui.page("/audit", response_timeout=PATIENCE_S)
async def audit(request: Request, subject: str = "") -> None:
    """The page; `?subject=instructions/ID` begins with one subject."""
    visit = visit_of(request)
    with frame(visit, visit.words("audit.title"), "nav.audit") as messages:
        await _View(visit, messages, subject[:200]).show()


class _View:
    def __init__(self, visit: Visit, messages: Messages, subject: str) -> None:
        self._visit = visit
        self._messages = messages
        self._chosen = {"subject": subject, "actor": ""}
        self._after = [0]
        self._last = 0
        words = visit.words
        with element("form", "filters", {"role": "search", "onsubmit": "return false"}):
            named: dict[str, str | int] = {"type": "search", "data-key": "/", "maxlength": 200}
            entry(words("audit.subject"), "input", named | beginning(subject), self._setter("subject"))
            entry(words("audit.actor"), "input", {"type": "search", "maxlength": 200}, self._setter("actor"))
        region: dict[str, str | int] = {"tabindex": 0, "role": "region", "aria-label": words("audit.title")}
        with element("div", "scroll", region), element("table", "events"):
            with element("thead"), element("tr"):
                for column in ("at", "actor", "action", "subject", "details"):
                    text("th", words(f"audit.{column}"), "", {"scope": "col"})
            self._body = element("tbody")
        with element("div", "pages"):
            self._back = button(words("queue.back"), "", lambda: self._turn(-1))
            self._forth = button(words("queue.forth"), "", lambda: self._turn(1))

    async def show(self) -> None:
        """Read and show a page."""
        try:
            events = await self._visit.ask(self._read)
        except (StoreError, SessionOver, NotAllowed, ValueError) as error:
            self._messages.fail(error)
            return
        self._last = events[-1].seq if len(events) == ROWS else 0
        self._body.clear()
        with self._body:
            for event in events:
                self._row(event)
        set_attributes(self._back, {"disabled": None if len(self._after) > 1 else "disabled"})
        set_attributes(self._forth, {"disabled": None if self._last else "disabled"})

    def _read(self) -> Sequence[AuditEvent]:
        chosen = {name: value.strip() for name, value in self._chosen.items()}
        desk, reviewer = self._visit.services.desk, self._visit.reviewer
        return desk.audit(reviewer, subject=chosen["subject"], actor=chosen["actor"], after=self._after[-1], limit=ROWS)

    def _row(self, event: AuditEvent) -> None:
        with element("tr"):
            text("td", self._visit.words.moment(event.at))
            text("td", event.actor or "Dispatch")
            text("td", event.action)
            with element("td"):
                if event.subject.startswith("instructions/"):
                    target = f"/review/{event.subject.removeprefix('instructions/')}"
                    text("a", event.subject.removeprefix("instructions/")[:12], "", {"href": target})
                else:
                    text("span", event.subject)
            text("td", ", ".join(f"{name}: {value}" for name, value in event.details.items()))

    async def _turn(self, step: int) -> None:
        if step > 0 and self._last:
            self._after.append(self._last)
        elif step < 0 and len(self._after) > 1:
            self._after.pop()
        await self.show()

    def _setter(self, name: str) -> Callable[[str], object]:
        async def choose(value: str) -> None:
            self._chosen[name] = value
            self._after = [0]
            await self.show()

        return choose
