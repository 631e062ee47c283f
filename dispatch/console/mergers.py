"""Other reports that may be of the same incident: proposed by the machine, merged by a person alone."""

import asyncio
import json

from nicegui import ui
from nicegui.element import Element

from dispatch.console.elements import element, text
from dispatch.console.item import Item
from dispatch.console.layout import Messages, SessionOver, Visit
from dispatch.engine import BatcherClosed, DeadlineUnreachable, Overloaded
from dispatch.store import EtagMismatch, LeaseHeld, NotFound, StateConflict, StoreError
from dispatch.workflow.merging import MergeProposal, propose_merges
from dispatch.workflow.review import NotAllowed

MOST = 5
_OPEN = ("pending", "claimed")
_FAILURES = (
    *(NotAllowed, NotFound, LeaseHeld, StateConflict, EtagMismatch, StoreError, SessionOver, ValueError),
    *(Overloaded, DeadlineUnreachable, BatcherClosed),
)


class Mergers:
    """The proposals for one item; empty until they have been looked for."""

    def __init__(self, visit: Visit, item: Item, messages: Messages) -> None:
        self._visit = visit
        self._item = item
        self._messages = messages
        self._place = element("div")

    async def propose(self) -> None:
        """Look for them and show them. Whoever cannot merge is shown none, nor is anything for what is decided."""
        instruction = self._item.instruction
        if "review" not in self._visit.session.scopes or instruction.review_state not in _OPEN:
            return
        store = self._visit.services.store
        try:
            found = await self._visit.ask(lambda: propose_merges(store, instruction.name, MOST))
        except (StoreError, NotFound, SessionOver) as error:
            self._messages.fail(error)
            return
        if found:
            with self._place, element("section", "", {"aria-labelledby": "merge-title"}):
                text("h2", self._visit.words("merge.title"), "", {"id": "merge-title"})
                with element("ol", "incident"):
                    for number, proposal in enumerate(found):
                        self._show(proposal, "m" if number == 0 else "")

    def _show(self, proposal: MergeProposal, key: str) -> None:
        words = self._visit.words
        with element("li"):
            target = f"/review/{proposal.name.removeprefix('instructions/')}"
            text("a", proposal.incident_id or words("merge.alone"), "", {"href": target})
            reasons = ", ".join(words(f"merge.{reason}") for reason in proposal.reasons)
            apart = words.age(proposal.apart.total_seconds())
            text("span", words("merge.why", reasons, apart, f"{proposal.score:.2f}"), "aside")
            self._button(proposal, key)

    def _button(self, proposal: MergeProposal, key: str) -> None:
        words = self._visit.words
        made: Element = element("button", "quiet", {"type": "button"} | ({"data-key": key} if key else {}))
        with made:
            text("span", words("merge.do"))
            if key:
                text("kbd", key, "", {"aria-hidden": "true"})
        question = json.dumps(words("merge.sure"), ensure_ascii=False)
        made.on("click", lambda: self._merge(proposal), js_handler=f"() => confirm({question}) && emit()")

    async def _merge(self, proposal: MergeProposal) -> None:
        """Then the new draft is the one to look at."""
        visit, name = self._visit, self._item.instruction.name
        try:
            read = await visit.ask(lambda: visit.services.desk.get(visit.reviewer, name))
            if read.review_state not in _OPEN:  # decided since the page was opened: nobody has agreed to withdraw it
                raise StateConflict(name, "merged", read.review_state)
            merged = visit.services.merge(visit.reviewer, name, proposal.into, read.etag)
            second = await asyncio.wrap_future(merged)
        except _FAILURES as error:
            self._messages.fail(error)
            return
        visit.session.notice = visit.words("done.merged")
        ui.navigate.to(f"/review/{second.name.removeprefix('instructions/')}?take=1")
