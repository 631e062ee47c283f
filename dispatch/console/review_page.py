"""One instruction with all that a decision needs: the report, what was read from it, the draft, and what is wrong."""

import re

from fastapi import Request
from nicegui import ui

from dispatch.console.editing import Editor
from dispatch.console.elements import element
from dispatch.console.evidence_view import EvidenceView
from dispatch.console.item import read_item
from dispatch.console.layout import PATIENCE_S, SessionOver, frame, visit_of
from dispatch.console.mergers import Mergers
from dispatch.console.record_view import Record
from dispatch.console.steps import Steps
from dispatch.store import LeaseHeld, NotFound, StateConflict, StoreError
from dispatch.store.records import REVIEW_STATES
from dispatch.workflow.review import NotAllowed

_KEY = re.compile("[0-9a-f]{32}")


@ui.page("/review/{key}", response_timeout=PATIENCE_S)
async def review(request: Request, key: str, take: str = "") -> None:
    """The page; `?take=1` claims what waits, as the links of the queue do."""
    visit = visit_of(request)
    words = visit.words
    name = f"instructions/{key}"
    with frame(visit, words("review.title"), "") as messages:
        try:
            if not _KEY.fullmatch(key):
                raise NotFound(name)
            if take and "review" in visit.session.scopes and not _is_from_elsewhere(request):
                try:
                    await visit.ask(lambda: visit.services.desk.claim(visit.reviewer, name))
                except LeaseHeld as error:
                    messages.fail(error)
                except StateConflict as error:
                    if error.state not in REVIEW_STATES:  # else it is decided, and there is nothing to claim
                        messages.fail(error)
            item = await visit.ask(lambda: read_item(visit.services, visit.reviewer, name))
        except (NotFound, NotAllowed, StoreError, SessionOver) as error:
            messages.fail(error)
            return
        with element("div", "review"):
            with element("div", "half"):
                evidence = EvidenceView(visit, item)
            with element("div", "half"):
                editor = Editor(visit, item, messages)
                mergers = Mergers(visit, item, messages)
                record = Record(visit, item)
        steps = Steps(visit, item, editor, record, messages)
    ui.timer(1.0, steps.tick, immediate=False)
    await ui.context.client.connected()
    await evidence.align(editor)
    await mergers.propose()


def _is_from_elsewhere(request: Request) -> bool:
    """Whether another site has led the browser here, such as another server of this machine: it must claim nothing."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
