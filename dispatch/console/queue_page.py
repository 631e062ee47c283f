"""The queue: what waits for a reviewer, the most urgent first, kept up to date while one looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from dispatch.console.elements import beginning, button, element, entry, select, set_attributes, text
from dispatch.console.layout import PATIENCE_S, Messages, SessionOver, Visit, frame, visit_of
from dispatch.console.texts import Words
from dispatch.domain import PRIORITIES
from dispatch.domain.labels import HAZARDS
from dispatch.store import Instruction, Page, QueueFilter, StoreError
from dispatch.store.records import utc_now
from dispatch.workflow.review import NotAllowed

ROWS = 50  # of a page
_EXCERPT = 120  # characters

STATES: Mapping[str, tuple[str, ...]] = {
    "open": ("pending", "claimed"),
    "pending": ("pending",),
    "claimed": ("claimed",),
    "decided": ("approved", "revised", "rejected"),
    "withdrawn": ("recalled", "superseded"),
}
ORDERS = ("age", "confidence")
"""Among equally urgent ones: the oldest first, or of those shown the one that the model is least sure of."""


@ui.page("/", response_timeout=PATIENCE_S)
async def queue(request: Request) -> None:
    """The page."""
    visit = visit_of(request)
    with frame(visit, visit.words("queue.title"), "nav.queue") as messages:
        view = QueueView(visit, messages)
        await view.refresh()
    ui.timer(visit.services.refresh_s, view.refresh, immediate=False)


class QueueView:
    """The list with its filters, in one browser."""

    def __init__(self, visit: Visit, messages: Messages) -> None:
        self._visit = visit
        self._words = visit.words
        self._messages = messages
        self._filters = {"state": "open", "order": "age", **visit.session.filters}
        self._tokens = [""]
        self._next = ""
        self._lost = False
        self._rows: dict[str, _Row] = {}
        self._make_filters()
        self._count = text("p", "", "count", {"role": "status"})
        self._list = element("ol", "queue", {"aria-label": self._words("queue.title")})
        with element("div", "pages"):
            self._back = button(self._words("queue.back"), "", lambda: self._turn(-1))
            self._forth = button(self._words("queue.forth"), "", lambda: self._turn(1))

    async def refresh(self) -> None:
        """Read the page again, and change what has changed."""
        chosen, token = dict(self._filters), self._tokens[-1]
        try:
            page = await self._visit.ask(lambda: self._read(chosen, token))
        except (StoreError, SessionOver, NotAllowed, ValueError) as error:
            self._lost = True
            self._messages.fail(error)
            return
        if (chosen, token) != (self._filters, self._tokens[-1]):
            return  # somebody has asked for something else meanwhile, and that is being read
        if self._lost:
            self._lost = False
            self._messages.tell("")
        self._show(page)

    def _read(self, chosen: Mapping[str, str], token: str) -> Page:
        services = self._visit.services
        wanted = QueueFilter(
            states=STATES[chosen["state"]],
            priority=chosen.get("priority", ""),
            hazard=chosen.get("hazard", ""),
            text=chosen.get("text", ""),
            claimed_by=self._visit.session.name if chosen.get("mine") else "",
        )
        return services.desk.list(self._visit.reviewer, wanted, limit=ROWS, token=token)

    def _show(self, page: Page) -> None:
        now = utc_now()
        items = page.instructions
        if self._filters["order"] == "confidence":
            items = sorted(items, key=lambda item: (_urgency(item), item.confidence))
        self._next = page.next_token
        for name in self._rows.keys() - {item.name for item in items}:
            self._rows.pop(name).delete()
        for place, item in enumerate(items):
            if item.name not in self._rows:
                with self._list:
                    self._rows[item.name] = _Row(item, self._words, takes="review" in self._visit.session.scopes)
            self._rows[item.name].show(item, place, now)
        shown = self._words("queue.count", len(items), "+" if page.next_token else "")
        self._count.set_text(shown if items else self._words("queue.empty"))
        set_attributes(self._back, {"disabled": None if len(self._tokens) > 1 else "disabled"})
        set_attributes(self._forth, {"disabled": None if page.next_token else "disabled"})

    async def _turn(self, step: int) -> None:
        if step > 0 and self._next:
            self._tokens.append(self._next)
        elif step < 0 and len(self._tokens) > 1:
            self._tokens.pop()
        await self.refresh()

    def _make_filters(self) -> None:
        words, chosen = self._words, self._filters
        anything = {"": words("filter.any")}
        hazards = anything | {hazard: words.label("hazards", hazard) for hazard in HAZARDS}
        with element("form", "filters", {"role": "search", "onsubmit": "return false"}):
            for name, options in {
                "state": {state: words(f"filter.{state}") for state in STATES},
                "priority": anything | {priority: words(f"priority.{priority}") for priority in PRIORITIES},
                "hazard": hazards,
                "order": {order: words(f"filter.by_{order}") for order in ORDERS},
            }.items():
                select(words(f"filter.{name}"), options, chosen.get(name, ""), self._setter(name), name)
            search: dict[str, str | int] = {"type": "search", "data-key": "/", "maxlength": 100}
            entry(words("filter.text"), "input", search | beginning(chosen.get("text", "")), self._setter("text"))
            with element("label", "field inline"):
                mine = element(
                    "input", "", {"type": "checkbox"} | ({"checked": "checked"} if chosen.get("mine") else {})
                )
                text("span", words("filter.mine"))
                mine.on(
                    "change", lambda event: self._setter("mine")("1" if event.args else ""),
                    js_handler="(e) => emit(e.target.checked)",
                )  # fmt: skip

    def _setter(self, name: str) -> Callable[[str], object]:
        allowed = {"state": tuple(STATES), "priority": ("", *PRIORITIES), "hazard": ("", *HAZARDS), "order": ORDERS}

        async def choose(value: str) -> None:
            if name in allowed and value not in allowed[name]:
                return
            self._filters[name] = value
            self._visit.session.filters = dict(self._filters)
            self._tokens = [""]
            await self.refresh()

        return choose


@dataclass(frozen=True)
class _Parts:
    priority: TextElement
    age: TextElement
    due: TextElement
    state: TextElement
    confidence: TextElement
    flags: TextElement
    what: TextElement
    draft: TextElement


class _Row:
    """One item of the list: a link, so that a key, a click and a screen reader all know what to do with it."""

    def __init__(self, item: Instruction, words: Words, takes: bool) -> None:
        self._words = words
        self._item = element("li", "")
        key = item.name.removeprefix("instructions/")
        target = f"/review/{key}?take=1" if takes else f"/review/{key}"
        with self._item:
            self._link = element("a", "row", {"href": target, "data-row": key})
        with self._link:
            made = {name: text("span", "", name) for name in _Parts.__dataclass_fields__}
        self._parts = _Parts(**made)
        self._place = -1

    def show(self, item: Instruction, place: int, now: datetime) -> None:
        """Change what has changed of it."""
        words, parts = self._words, self._parts
        overdue = item.due_at is not None and item.due_at < now and item.review_state in ("pending", "claimed")
        _set(parts.priority, words(f"priority.{item.priority}") if item.priority else "—")
        _set(parts.age, words.age((now - item.created_at).total_seconds()))
        late = (now - item.due_at).total_seconds() if item.due_at is not None and overdue else 0.0
        _set(parts.due, words("queue.overdue", words.age(late)) if overdue else "")
        held = item.review_state == "claimed" and item.lease_expires_at is not None and item.lease_expires_at > now
        state = "pending" if item.review_state == "claimed" and not held else item.review_state
        _set(parts.state, words("queue.held", item.claimed_by) if held else words(f"state.{state}"))
        _set(parts.confidence, words("queue.confidence", f"{item.confidence:.0%}"))
        errors = sum(check["severity"] == "error" for check in item.checks)
        warnings = sum(check["severity"] == "warning" for check in item.checks)
        flags = [words("queue.errors", errors)] * bool(errors) + [words("queue.warnings", warnings)] * bool(warnings)
        _set(parts.flags, " ".join(flags))
        _set(parts.what, _what(item, words))
        _set(parts.draft, _excerpt(item.final_text or item.instruction))
        classes = f"row urgency-{_urgency(item)}" + (" overdue" if overdue else "") + (" held" if held else "")
        if set(self._link.classes) != set(classes.split()):
            self._link.classes(replace=classes)
        if self._item.parent_slot is not None and self._item.parent_slot.children.index(self._item) != place:
            self._item.move(target_index=place)

    def delete(self) -> None:
        """Take it out of the list."""
        self._item.delete()


def _set(target: TextElement, said: str) -> None:
    if target.text != said:
        target.set_text(said)


def _urgency(item: Instruction) -> int:
    return PRIORITIES.index(item.priority) if item.priority in PRIORITIES else len(PRIORITIES)


def _what(item: Instruction, words: Words) -> str:
    """Hazards and place of what was read."""
    parts = []
    for situation in item.situations:
        labels = [words.label("hazards", hazard) for hazard in situation.get("hazards", [])]
        parts.append(" ".join([*labels, situation.get("location", "")]).strip())
    return "; ".join(part for part in parts if part)


def _excerpt(said: str) -> str:
    return said if len(said) <= _EXCERPT else said[: _EXCERPT - 1] + "…"
