"""What a reviewer does with an item, each step by a button and its key: claim, edit, decide, give back."""

from collections.abc import Callable, Sequence

from nicegui import ui
from nicegui.element import Element

from dispatch.console.editing import Editor
from dispatch.console.elements import button, element, forget_edit, set_attributes, submit, text
from dispatch.console.item import Item, read_item
from dispatch.console.layout import Messages, SessionOver, Visit
from dispatch.console.reasons import ReasonDialog
from dispatch.console.record_view import Record
from dispatch.domain import Check
from dispatch.store import EtagMismatch, Instruction, LeaseHeld, NotFound, StateConflict, StoreError
from dispatch.store.records import utc_now
from dispatch.workflow.review import NotAllowed, ReasonRequired

_FAILURES = (NotAllowed, NotFound, LeaseHeld, StateConflict, EtagMismatch, StoreError, SessionOver, ValueError)
_RELEASED = ("approved", "revised")
_DECIDED = (*_RELEASED, "rejected")
_RENEWED_BELOW = 0.5  # of the lease: then it is renewed for who is at work

Step = Callable[[str], Instruction]
"""Takes the reason, in a thread."""


class Steps:
    """The bar of steps of one item in one browser."""

    def __init__(self, visit: Visit, item: Item, editor: Editor, record: Record, messages: Messages) -> None:
        self._visit = visit
        self._item = item
        self._editor = editor
        self._record = record
        self._messages = messages
        self._active = False
        self._renewing = False
        words = visit.words
        self._dialog = ReasonDialog(visit)
        with element("div", "steps", {"role": "toolbar", "aria-label": words("steps")}):
            with element("span", "holder"):
                self._holder = text("span", "", "", {"role": "status"})
                self._left = text("span", "", "", {"role": "timer"})  # which is not read out each second
            self._buttons: dict[str, Element] = {
                "claim": button(words("step.claim"), "Enter", self._claim, "primary"),
                "approve": button(words("step.approve"), "a", self._approve, "primary"),
                "edit": button(words("step.edit"), "e", self._edit),
                "save": submit(words("step.save"), "Ctrl+Enter", editor.field, self._save, "primary"),
                "leave": button(words("step.leave"), "Esc", self._leave),
                "reject": button(words("step.reject"), "r", self._reject, "danger"),
                "return": button(words("step.return"), "u", self._return),
                "release": button(words("step.release"), "l", self._release),
                "recall": button(words("step.recall"), "w", self._recall, "danger"),
            }
        editor.when_opened = self._show
        # Whoever types or clicks is at work: the claim is renewed for them, and for nobody else.
        ui.on("console_active", self._note_activity)
        self._show()

    async def tick(self) -> None:
        """Once a second: how long the claim holds, and renewing it for who is at work."""
        self._show()
        lease_s = self._visit.services.desk.config.lease_s
        due = self._holds() and self._left_s() < _RENEWED_BELOW * lease_s
        if due and self._active and not self._renewing:
            self._active, self._renewing = False, True
            try:
                await self._take()
            finally:
                self._renewing = False

    def _note_activity(self) -> None:
        self._active = True

    async def _claim(self) -> None:
        await self._take()

    async def _take(self) -> None:
        name, desk = self._item.instruction.name, self._visit.services.desk

        def work() -> Item:
            desk.claim(self._visit.reviewer, name)
            return read_item(self._visit.services, self._visit.reviewer, name)

        try:
            self._have(await self._visit.ask(work))
            self._messages.tell("")
        except _FAILURES as error:
            await self._failed(error)
        self._show()

    async def _approve(self) -> None:
        if self._editor.is_open:
            return
        await self._decide("approved", self._step("approve"), self._item.doubts)

    async def _save(self, revised: str) -> None:
        if not self._editor.is_open:
            return
        await self._editor.look_at(revised)
        desk, reviewer = self._visit.services.desk, self._visit.reviewer

        def step(reason: str) -> Instruction:
            read = self._item.instruction
            return desk.revise(reviewer, read.name, etag=read.etag, text=revised, reason=reason)

        await self._decide("revised", step, [check for check in self._editor.checks if check.severity == "error"])

    async def _reject(self) -> None:
        self._ask_reason("rejected", self._step("reject"), ())

    async def _return(self) -> None:
        self._ask_reason("returned", self._step("return_for_review"), ())

    async def _recall(self) -> None:
        self._ask_reason("recalled", self._step("recall"), ())

    async def _edit(self) -> None:
        await self._editor.open()
        self._show()

    async def _leave(self) -> None:
        self._editor.close()
        self._show()

    async def _release(self) -> None:
        name, desk = self._item.instruction.name, self._visit.services.desk
        await self._finish("released", lambda: desk.release(self._visit.reviewer, name))

    def _step(self, method: str) -> Step:
        """Of the desk's method; the etag is the one of when it is taken, since renewing a claim changes it."""
        reviewer, decide = self._visit.reviewer, getattr(self._visit.services.desk, method)

        def step(reason: str) -> Instruction:
            read = self._item.instruction
            decided: Instruction = decide(reviewer, read.name, etag=read.etag, reason=reason)
            return decided

        return step

    async def _decide(self, action: str, step: Step, doubts: Sequence[Check]) -> None:
        """At once where nothing speaks against it; else only with a reason that somebody has written."""
        if doubts:
            self._ask_reason(action, step, doubts)
        else:
            await self._finish(action, lambda: step(""))

    def _ask_reason(self, action: str, step: Step, doubts: Sequence[Check]) -> None:
        async def go(reason: str) -> None:
            await self._finish(action, lambda: step(reason))

        self._dialog.ask(action, doubts, go)

    async def _finish(self, action: str, work: Callable[[], Instruction]) -> None:
        """Decide, and go back to the queue with a notice."""
        try:
            await self._visit.ask(work)
        except _FAILURES as error:
            await self._failed(error)
            return
        forget_edit()
        self._visit.session.notice = self._visit.words(f"done.{action}")
        ui.navigate.to("/")

    async def _failed(self, error: Exception) -> None:
        """Tell of it, and show the item as it is now, where it is not as it was read."""
        self._messages.fail(error)
        if isinstance(error, LeaseHeld | StateConflict | EtagMismatch | ReasonRequired):
            name, services, reviewer = self._item.instruction.name, self._visit.services, self._visit.reviewer
            try:
                self._have(await self._visit.ask(lambda: read_item(services, reviewer, name)))
            except (StoreError, SessionOver, NotFound) as other:
                self._messages.fail(other)
            self._show()

    def _have(self, item: Item) -> None:
        """The item was read again: what others have done to it meanwhile is shown, and what was erased is not."""
        if item.instruction.erased_at is not None:
            ui.navigate.reload()
        self._item = item
        self._record.show(item)

    def _holds(self) -> bool:
        instruction = self._item.instruction
        return instruction.review_state == "claimed" and instruction.claimed_by == self._visit.session.name

    def _left_s(self) -> float:
        until = self._item.instruction.lease_expires_at
        return (until - utc_now()).total_seconds() if until is not None else 0.0

    def _show(self) -> None:
        """The steps that can be taken now."""
        state, scopes = self._item.instruction.review_state, self._visit.session.scopes
        left_s, mine, editing = self._left_s(), self._holds(), self._editor.is_open
        held = state == "claimed" and left_s > 0
        reviews, supervises = "review" in scopes, "supervise" in scopes
        without_model = any(check.code == "NO_MODEL" for check in self._item.checks)
        deciders = [decision.reviewer for decision in self._item.history if decision.action in _DECIDED]
        undoes = state in _DECIDED and (supervises or deciders[-1:] == [self._visit.session.name])
        shown = {
            "claim": reviews and (state == "pending" or (state == "claimed" and not held)),
            "approve": reviews and mine and not editing and not without_model,
            "edit": reviews and mine and not editing,
            "save": reviews and mine and editing,
            "leave": reviews and mine and editing,
            "reject": reviews and mine and not editing,
            "return": reviews and ((mine and not editing) or undoes),
            "release": reviews and mine and not editing,
            "recall": supervises and state in _RELEASED,
        }
        for name, made in self._buttons.items():
            set_attributes(made, {"hidden": None if shown[name] else "hidden"})
        self._editor.allow(reviews and mine and not editing)
        words = self._visit.words
        left = words("steps.left", words.countdown(left_s)) if mine and held else ""
        if left:
            said = words("steps.mine")
        elif mine:
            said = words("steps.expired")
        elif held:
            said = words("steps.held", self._item.instruction.claimed_by)
        else:
            said = words(f"state.{'pending' if state == 'claimed' else state}")
        for target, now in ((self._holder, said), (self._left, left)):
            if target.text != now:
                target.set_text(now)
