"""The report with its evidence: what a fact, an order or a check is about is lit where one points at it."""

from nicegui.element import Element

from dispatch.console.claims import Claim, facts_of, orders_of
from dispatch.console.editing import Editor
from dispatch.console.elements import element, set_attributes, text
from dispatch.console.item import Item
from dispatch.console.layout import Visit
from dispatch.console.spans import Mark, cut


class EvidenceView:
    """Report, situation and plan of an item."""

    def __init__(self, visit: Visit, item: Item) -> None:
        self._visit = visit
        self._item = item
        self._places: dict[str, tuple[int, Element]] = {}
        words, instruction = visit.words, item.instruction
        with element("section", "", {"aria-labelledby": "report-title"}):
            text("h2", words("review.report"), "", {"id": "report-title"})
            if instruction.erased_at is not None:
                text("p", words("review.erased"))
            self._report = element("p", "report", {"lang": "zh-CN"})
            location = instruction.context.get("location", "")
            if location:
                text("p", words("review.context", location), "aside")
            self._note = text("p", words("review.aligning"), "aside", {"role": "status"})
        with element("section", "", {"aria-labelledby": "situation-title"}):
            text("h2", words("review.situation"), "", {"id": "situation-title"})
            for number, claims in facts_of(instruction.situations, words):
                if len(instruction.situations) > 1:
                    text("h3", words("situation.number", number))
                self._list(claims)
        with element("section", "", {"aria-labelledby": "plan-title"}):
            text("h2", words("review.plan"), "", {"id": "plan-title"})
            self._list(orders_of(instruction.plan, words))
        self._show([])

    async def align(self, editor: Editor) -> None:
        """Light what the explanation knows, once it is there: it takes a pass of the network."""
        words = self._visit.words
        try:
            found = await self._visit.explain(self._item.instruction)
        except ValueError:
            self._note.set_text(words("review.no_evidence"))
            return
        marks = []
        for alignment in found.alignments:
            if alignment.path in self._places:
                number, claim = self._places[alignment.path]
                marks += [Mark(f"c{number}", start, end) for start, end in alignment.spans]
                if alignment.spans:
                    set_attributes(claim, {"data-evidence": f"c{number}"})
                elif alignment.evidence == "none":
                    claim.classes(add="unsupported")
        self._show(marks)
        if found.wrote_it:
            self._note.set_text(words("review.hover"))
            editor.shade(found)
        else:  # how sure another network would be of the draft says nothing about it
            self._note.set_text(f"{words('review.hover')} {words('review.other_model', found.model.name)}")

    def _list(self, claims: list[Claim]) -> None:
        with element("ul", "claims"):
            for claim in claims:
                number = len(self._places)
                with element("li", "", {"tabindex": 0, "data-row": f"c{number}"}) as made:
                    text("span", claim.title, "title")
                    text("span", claim.said, "said", {"lang": "zh-CN"})
                self._places[claim.path] = (number, made)

    def _show(self, marks: list[Mark]) -> None:
        """The report anew, cut at the marks and at what checks are about."""
        checks = [
            Mark(f"k{index}", check.start, check.end)
            for index, check in enumerate(self._item.checks)
            if check.target == "report" and check.end
        ]
        self._report.clear()
        with self._report:
            for segment in cut(self._item.instruction.report, [*checks, *marks]):
                flagged = " flagged" if any(label.startswith("k") for label in segment.labels) else ""
                text(
                    "span",
                    segment.text,
                    f"part{flagged}",
                    {"data-of": " ".join(segment.labels)} if segment.labels else {},
                )
