"""The draft: how sure the network was of it, what an edit changes, and what the checks say of the edit."""

import math
from collections.abc import Callable, Sequence

from nicegui.element import Element

from dispatch.console.differences import changes
from dispatch.console.elements import (
    begin_edit,
    button,
    call,
    element,
    entry,
    forget_edit,
    set_attributes,
    set_value,
    text,
)
from dispatch.console.item import Item
from dispatch.console.layout import Messages, SessionOver, Visit
from dispatch.console.spans import Mark, cut
from dispatch.console.texts import Words
from dispatch.domain import Check
from dispatch.store import NotFound, StoreError
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import NotAllowed
from dispatch.workflow.revising import MAX_TEXT

_SHADES = (0.99, 0.9, 0.5)  # probabilities: at and above the first a token has no shade
_KEYS_OF_CANDIDATES = 9


class Editor:
    """Draft, candidates, checks and the field in which the text is changed."""

    def __init__(self, visit: Visit, item: Item, messages: Messages) -> None:
        self._visit = visit
        self._item = item
        self._messages = messages
        self.draft = item.instruction.instruction
        self.text = self.draft
        self.checks: Sequence[Check] = item.checks
        """Of the text as it stands."""
        self.is_open = False
        self.when_opened: Callable[[], None] = lambda: None
        self._uses: list[Element] = []
        words, instruction = visit.words, item.instruction
        with element("section", "", {"aria-labelledby": "draft-title"}):
            text("h2", words("review.draft"), "", {"id": "draft-title"})
            self._draft = element("p", "draft", {"lang": "zh-CN"})
            self._confidence()
            self._show_draft([])
            if instruction.final_text and instruction.final_text != self.draft:
                text("h3", words("review.released"))
                _show_changes(element("p", "difference", {"lang": "zh-CN"}), self.draft, instruction.final_text, words)
            with element("div", "editor", {"hidden": "hidden"}) as self._panel:
                field: dict[str, str | int] = {"rows": 4, "maxlength": MAX_TEXT, "lang": "zh-CN"}
                self.field = entry(words("edit.text"), "textarea", field, self.look_at)
                text("h3", words("edit.difference"))
                self._difference = element("p", "difference", {"lang": "zh-CN", "data-testid": "difference"})
        with element("section", "", {"aria-labelledby": "checks-title"}):
            text("h2", words("review.checks"), "", {"id": "checks-title"})
            self._checks = element("ul", "checks", {"aria-live": "polite"})
            self._show_checks()
        self._candidates()

    async def open(self, beginning: str | None = None) -> None:
        """Show the field, holding the draft, what was typed before a reload, or another beginning."""
        self.is_open = True
        set_attributes(self._panel, {"hidden": None})
        if beginning is None:
            begin_edit(self.field, self.text)
        else:
            self.text = beginning
            forget_edit()
            set_value(self.field, beginning)
        call(self.field, "focus")
        self.when_opened()
        await self.look_at(self.text)

    def allow(self, allowed: bool) -> None:
        """Whether a candidate may be taken now."""
        for made in self._uses:
            set_attributes(made, {"hidden": None if allowed else "hidden"})

    def close(self) -> None:
        """Hide the field and forget the edit."""
        self.is_open = False
        self.text, self.checks = self.draft, self._item.checks
        forget_edit()
        set_attributes(self._panel, {"hidden": "hidden"})
        self._show_checks()

    def shade(self, explanation: Explanation) -> None:
        """Shade the draft's tokens by their probabilities, and show what they are."""
        marks = [
            Mark(f"{token.score}", token.start, token.end)
            for token in explanation.target
            if token.part == "instruction" and token.score is not None and token.end
        ]
        self._show_draft(marks)

    async def look_at(self, typed: str) -> None:
        """Show what a text changes, and what the checks say of it."""
        self.text = typed
        self._difference.clear()
        with self._difference:
            _show_changes(self._difference, self.draft, typed, self._visit.words)
        name, desk = self._item.instruction.name, self._visit.services.desk
        try:
            checks = await self._visit.ask(lambda: desk.checks_of(name, typed))
        except (StoreError, NotFound, NotAllowed, SessionOver, ValueError) as error:
            self._messages.fail(error)
            return
        if self.text == typed and self.is_open:
            self.checks = checks
            self._show_checks()

    def _confidence(self) -> None:
        instruction, words = self._item.instruction, self._visit.words
        low = any(check.code == "LOW_CONFIDENCE" for check in self._item.doubts)
        said = words("review.confidence", f"{instruction.confidence:.0%}", instruction.model["name"])
        text("p", f"{said} {words('review.low')}" if low else said, "confidence low" if low else "confidence")
        text("p", words("review.shading"), "aside legend")

    def _show_draft(self, marks: Sequence[Mark]) -> None:
        words = self._visit.words
        flagged = [
            Mark(f"k{index}", check.start, check.end)
            for index, check in enumerate(self._item.checks)
            if check.target == "instruction" and check.end
        ]
        self._draft.clear()
        with self._draft:
            for segment in cut(self.draft, [*flagged, *marks]):
                about = [label for label in segment.labels if label.startswith("k")]
                scores = [float(label) for label in segment.labels if not label.startswith("k")]
                attributes: dict[str, str | int] = {"data-of": " ".join(about)} if about else {}
                classes = "part flagged" if about else "part"
                if scores:
                    probability = math.exp(min(scores))
                    classes += f" shade-{sum(probability < bound for bound in _SHADES)}"
                    attributes["title"] = words("review.probability", f"{probability:.1%}")
                text("span", segment.text, classes, attributes)

    def _show_checks(self) -> None:
        words = self._visit.words
        self._checks.clear()
        with self._checks:
            for check in self.checks:
                attributes: dict[str, str | int] = {"tabindex": 0, "data-row": check.code}
                if check in self._item.checks:
                    attributes["data-evidence"] = f"k{self._item.checks.index(check)}"
                with element("li", f"check {check.severity}", attributes):
                    text("span", words(f"severity.{check.severity}"), "severity")
                    text("span", check.code, "code")
                    text("span", words.check(check.code, check.message), "said")
            if not self.checks:
                text("li", words("review.no_checks"))

    def _candidates(self) -> None:
        words, candidates = self._visit.words, self._item.instruction.candidates
        if not candidates:
            return
        with element("section", "", {"aria-labelledby": "candidates-title"}):
            text("h2", words("review.candidates"), "", {"id": "candidates-title"})
            with element("ol", "candidates"):
                for index, candidate in enumerate(candidates[:_KEYS_OF_CANDIDATES]):
                    with element("li"):
                        text("span", candidate["text"], "said", {"lang": "zh-CN"})
                        text("span", words("review.score", f"{candidate['score']:.3f}"), "score")
                        self._use(index, candidate["text"])

    def _use(self, index: int, candidate: str) -> None:
        made = button(self._visit.words("review.use"), str(index + 1), lambda: self.open(candidate), "quiet")
        set_attributes(made, {"hidden": "hidden"})
        self._uses.append(made)


def _show_changes(target: Element, old: str, new: str, words: Words) -> None:
    tags = {"same": "span", "removed": "del", "added": "ins"}
    with target:
        for change in changes(old, new):
            text(tags[change.kind], change.text)
        if old == new:
            text("span", words("edit.same"), "aside")
