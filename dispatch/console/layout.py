"""What every page has: who visits it, the head with its links, alarms, messages, and the help."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from dispatch.console.elements import button, call, element, link, text
from dispatch.console.guard import SIGN_IN, SIGN_OUT
from dispatch.console.services import Services
from dispatch.console.sessions import Session
from dispatch.console.texts import LANGUAGES, Words
from dispatch.store import Instruction, Overdue, StoreError
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import Reviewer

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long a page may wait for the store before it is given up."""

_PAGES = (
    ("nav.queue", "/", "q", ""),
    ("nav.supervisor", "/supervisor", "s", "supervise"),
    ("nav.audit", "/audit", "t", "audit"),
)
_HELP = (
    "j",
    "k",
    "Enter",
    "/",
    "e",
    "a",
    "r",
    "u",
    "l",
    "w",
    "m",
    "h",
    "b",
    "1",
    "Ctrl+Enter",
    "Esc",
    "q",
    "s",
    "t",
    "?",
)


class SessionOver(Exception):
    """The visitor has signed out, or the token is valid no more."""


@dataclass(frozen=True)
class Visit:
    """One page in one browser."""

    session: Session
    services: Services
    words: Words

    @property
    def reviewer(self) -> Reviewer:
        """Who acts."""
        return Reviewer(self.session.name, self.session.scopes)

    async def ask(self, work: Callable[[], T]) -> T:
        """Does in a thread what may wait for the store, for a session that is still open.

        Raises SessionOver, and what ``work`` does.
        """

        def guarded() -> T:
            if not self.services.sessions.is_open(self.session):
                raise SessionOver
            return work()

        return await asyncio.to_thread(guarded)

    async def explain(self, instruction: Instruction) -> Explanation:
        """Raises ValueError where there is nothing to explain."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.services.explaining, self.services.explain, instruction)


def visit_of(request: Request) -> Visit:
    """The visit that a request begins."""
    session: Session = request.state.session
    return Visit(session, request.state.services, Words(session.language))


class Messages:
    """Where a page tells what went well and what did not; screen readers are told as well."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._line = text("p", "", "message", {"role": "status", "aria-live": "polite"})

    def tell(self, said: str, problem: bool = False) -> None:
        """Show a line; "" shows none."""
        self._line.set_text(said)
        self._line.classes(add="problem" if problem else "", remove="" if problem else "problem")

    def fail(self, error: Exception) -> None:
        """Tell of an error that a visitor can do something about; raises any other."""
        if isinstance(error, SessionOver):
            ui.navigate.to(SIGN_IN)
        elif isinstance(error, StoreError):
            self.tell(self._words("error.store"), problem=True)
        elif key := self._words.of_error(error):
            self.tell(key, problem=True)
        else:
            raise error


class _Watch:
    """Looks after a page while it is open: with the session it ends, and it tells what is overdue and with nobody."""

    def __init__(self, visit: Visit, messages: Messages) -> None:
        self._visit = visit
        self._messages = messages
        self._alarm = text("p", "", "alarm", {"role": "alert"})
        self._lost = False

    def start(self) -> None:
        """Once the page is made: a timer has what there is of it sent to the browser."""
        ui.timer(self._visit.services.watch_s, self._look)

    async def _look(self) -> None:
        overdue = Overdue(self._visit.services.store.database)
        try:
            late = await self._visit.ask(overdue.count)
        except (StoreError, SessionOver) as error:
            self._lost = True
            self._messages.fail(error)
            return
        if self._lost:
            self._lost = False
            self._messages.tell("")
        said = self._visit.words("alarm.overdue", late) if late else ""
        if self._alarm.text != said:
            self._alarm.set_text(said)


@contextmanager
def frame(visit: Visit, title: str, active: str) -> Iterator[Messages]:
    """The page around what is made within; ``active`` is the key of its link."""
    words = visit.words
    ui.page_title(f"{title} · Dispatch")
    client = ui.context.client
    client.page = copy(client.page)  # the page of this visit alone speaks its language
    client.page.language = words.tag
    with ui.header(fixed=False).classes("bar"):
        text("a", "Dispatch", "name", {"href": "/"})
        with element("nav", "", {"aria-label": words("nav")}):
            for key, target, letter, scope in _PAGES:
                if not scope or scope in visit.session.scopes:
                    made = link(words(key), target, letter)
                    if key == active:
                        made._props["aria-current"] = "page"
        with element("div", "who"):
            text("span", visit.session.name)
            help_dialog = _help(visit)
            button(words("help"), "?", lambda: call(help_dialog, "showModal"), "quiet")
            _language_buttons(visit)
            with element("form", "", {"method": "post", "action": SIGN_OUT}):
                text("button", words("sign_out"), "quiet", {"type": "submit"})
    with element("div", "page"):
        text("h1", title)
        messages = Messages(words)
        watch = _Watch(visit, messages)
        if visit.session.notice:
            messages.tell(visit.session.notice)
            visit.session.notice = ""
        yield messages
    watch.start()


def _language_buttons(visit: Visit) -> None:
    def choose(language: str) -> None:
        visit.session.language = language
        ui.navigate.reload()

    for language in LANGUAGES:
        if language != visit.words.language:
            other = Words(language)
            made = button(other("language"), "", lambda language=language: choose(language), "quiet")  # type: ignore[misc]
            made._props["lang"] = other.tag


def _help(visit: Visit) -> Element:
    """The dialog that says what each key does."""
    words = visit.words
    dialog = element("dialog", "help", {"aria-labelledby": "help-title"})
    with dialog:
        text("h2", words("help.title"), "", {"id": "help-title"})
        with element("dl"):
            for key in _HELP:
                with element("div"):
                    with element("dt"):
                        text("kbd", key)
                    text("dd", words(f"key.{key}"))
        with element("label", "field inline"):
            element("input", "", {"type": "checkbox", "data-toggle": "keys"})
            text("span", words("help.keys_off"))
        with element("form", "", {"method": "dialog"}):
            text("button", words("close"), "", {"type": "submit"})
    return dialog
