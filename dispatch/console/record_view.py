"""What is on record about an item: decisions, orders, and the other instructions of its incident."""

from dispatch.console.elements import element, link, text
from dispatch.console.item import Item
from dispatch.console.layout import Visit


class Record:
    """Sections for all of it."""

    def __init__(self, visit: Visit, item: Item) -> None:
        self._visit = visit
        self._place = element("div")
        self._shown: tuple[object, ...] = ()
        self.show(item)

    def show(self, item: Item) -> None:
        """Show it as it was read now, if it has changed: others decide and send for a second review meanwhile."""
        now = (item.instruction.incident_id, item.history, item.incident)
        if now == self._shown:
            return
        self._shown = now
        self._place.clear()
        with self._place:
            _decisions(self._visit, item)
            _incident(self._visit, item)
            _origin(self._visit, item)


def _decisions(visit: Visit, item: Item) -> None:
    words = visit.words
    if not item.history:
        return
    with element("section", "", {"aria-labelledby": "history-title"}):
        text("h2", words("review.history"), "", {"id": "history-title"})
        with element("ol", "history"):
            for decision in item.history:
                with element("li"):
                    by = decision.reviewer or "Dispatch"
                    text("p", f"{words.moment(decision.decided_at)} · {by} · {words(f'action.{decision.action}')}")
                    if decision.reason:
                        text("p", words("review.reason", decision.reason), "aside")
                    if decision.text:
                        text("p", decision.text, "said", {"lang": "zh-CN"})
                    for released in decision.orders:
                        order = released.order
                        said = f"{order.agency} {order.action}{order.count or ''}{order.unit}{order.item}"
                        text("p", f"{said}: {words(f'order.{released.state}')}", "aside")


def _incident(visit: Visit, item: Item) -> None:
    words = visit.words
    if not item.instruction.incident_id:
        return
    with element("section", "", {"aria-labelledby": "incident-title"}):
        text("h2", words("review.incident", item.instruction.incident_id), "", {"id": "incident-title"})
        if not item.incident:
            text("p", words("review.first"), "aside")
        with element("ol", "incident"):
            for other in item.incident:
                with element("li"):
                    target = f"/review/{other.name.removeprefix('instructions/')}"
                    text("a", words.moment(other.created_at), "", {"href": target})
                    text("span", words(f"state.{other.review_state}"), "state")
                    text("p", other.final_text or other.instruction, "said", {"lang": "zh-CN"})


def _origin(visit: Visit, item: Item) -> None:
    words, instruction = visit.words, item.instruction
    key = instruction.name.removeprefix("instructions/")
    with element("section", "origin", {"aria-labelledby": "origin-title"}):
        text("h2", words("review.origin"), "", {"id": "origin-title"})
        text("p", words("review.stored", words.moment(instruction.created_at), instruction.name), "aside")
        text("p", words("review.model", instruction.model["name"], instruction.model["digest"][:12]), "aside")
        with element("p", "links"):
            if instruction.model["digest"]:
                link(words("attention.title"), f"/attention/{key}", "h")
            if "audit" in visit.session.scopes:
                link(words("audit.of_item"), f"/audit?subject={instruction.name}")
