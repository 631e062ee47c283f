"""The supervisor's page: what waits, how long, what reviewers change, and how models and reports have changed."""

from collections.abc import Sequence

from fastapi import Request
from nicegui import ui

from dispatch.console.elements import element, text
from dispatch.console.layout import PATIENCE_S, SessionOver, Visit, frame, visit_of
from dispatch.store import StoreError
from dispatch.store.records import utc_now
from dispatch.workflow.oversight import Overrides, Overview, read_overview

REFRESH_S = 30.0
_BAR = 6.0  # rem, of a rate of 1

Cell = str | float
"""A number is a rate from 0 to 1, and shown with a bar."""


@ui.page("/supervisor", response_timeout=PATIENCE_S)
async def supervisor(request: Request) -> None:
    """The page."""
    visit = visit_of(request)
    with frame(visit, visit.words("supervisor.title"), "nav.supervisor") as messages:
        body = element("div")

        async def refresh() -> None:
            try:
                overview = await visit.ask(lambda: read_overview(visit.services.store))
            except (StoreError, SessionOver) as error:
                messages.fail(error)
                return
            body.clear()
            with body:
                _show(visit, overview)

        await refresh()
    ui.timer(REFRESH_S, refresh, immediate=False)


def _show(visit: Visit, overview: Overview) -> None:
    words = visit.words
    _backlog(visit, overview)
    with element("div", "panels"):
        _table(
            visit, "times", ("priority", "decisions", "median", "p90"),
            [
                (words(f"priority.{each.priority}") if each.priority else "—", str(each.decisions),
                 words.age(each.median_s), words.age(each.p90_s))
                for each in overview.times
            ],
        )  # fmt: skip
        _table(visit, "by_reviewer", _columns("reviewer"), [_row(each, each.name) for each in overview.by_reviewer])
        _table(
            visit,
            "by_hazard",
            _columns("hazard"),
            [_row(each, words.label("hazards", each.name)) for each in overview.by_hazard],
        )
        _table(
            visit, "quality", ("day", "model", "decisions", "unchanged", "confidence"),
            [
                (f"{each.day}", each.model, str(each.decisions), each.unchanged, each.confidence)
                for each in overview.quality
            ],
        )  # fmt: skip
        _table(
            visit, "drift", ("day", "reports", "length", "unknown", "drifted"),
            [
                (f"{each.day}", str(each.reports), f"{each.median_length:g}", each.unknown,
                 words("yes") if each.drifted else "")
                for each in overview.drift
            ],
        )  # fmt: skip
    text("p", words("supervisor.one_approves_all"), "aside")
    text("p", words("supervisor.window", overview.decisions, overview.reports), "aside")


def _backlog(visit: Visit, overview: Overview) -> None:
    words = visit.words
    text("h2", words("supervisor.backlog"))
    with element("div", "tiles"):
        for each in overview.backlog:
            with element("div", "tile late" if each.overdue else "tile"):
                text("span", words(f"priority.{each.priority}") if each.priority else "—")
                text("span", str(each.waiting), "figure")
                text("p", words("supervisor.waiting"), "aside")
                text("p", f"{words('supervisor.claimed')} {each.claimed}")
                text("p", f"{words('supervisor.overdue')} {each.overdue}")
                if each.oldest is not None:
                    age = words.age((utc_now() - each.oldest).total_seconds())
                    text("p", f"{words('supervisor.oldest')} {age}")
        if not overview.backlog:
            text("p", words("supervisor.nothing"))


def _columns(name: str) -> tuple[str, ...]:
    return (name, "decisions", "revised", "rejected", "overrides")


def _row(overrides: Overrides, name: str) -> tuple[Cell, ...]:
    return name, str(overrides.decisions), str(overrides.revised), str(overrides.rejected), overrides.rate


def _table(visit: Visit, title: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> None:
    words = visit.words
    with element("section", "", {"aria-labelledby": f"{title}-title"}):
        text("h2", words(f"supervisor.{title}"), "", {"id": f"{title}-title"})
        if not rows:
            text("p", words("supervisor.nothing"), "aside")
            return
        region: dict[str, str | int] = {"tabindex": 0, "role": "region", "aria-labelledby": f"{title}-title"}
        with element("div", "scroll", region), element("table"):
            with element("thead"), element("tr"):
                for column in columns:
                    text("th", words(f"supervisor.{column}"), "", {"scope": "col"})
            with element("tbody"):
                for row in rows:
                    with element("tr"):
                        for cell in row:
                            _cell(cell)


def _cell(cell: Cell) -> None:
    if isinstance(cell, str):
        text("td", cell)
        return
    with element("td"):
        text("span", f"{cell:.0%} ")
        element("span", "bar-of-rate", {"style": f"width: {_BAR * cell:.2f}rem", "aria-hidden": "true"})
