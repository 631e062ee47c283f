"""The guard by itself, around an application that says how far a request has come."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import socketio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from dispatch.console.guard import HEADERS, NEEDS, Guard, cookie_name, guard_events
from dispatch.console.services import Services
from dispatch.console.sessions import Sessions
from dispatch.console.sign_in import router
from dispatch.domain import default_doctrine
from dispatch.store import Instruction, Store, Tokens
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import ReviewDesk, Reviewer

HOST = "http://console.test"


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    await PlainTextResponse(request.state.session.name if request.state.session else "nobody")(scope, receive, send)


def nothing(instruction: Instruction) -> Explanation:
    raise ValueError(instruction.name)


def nothing_merged(reviewer: Reviewer, name: str, into: str, etag: str) -> Future[Instruction]:
    raise ValueError(name)


@dataclass
class Guarded:
    """The guard, and a browser without a session."""

    store: Store
    sessions: Sessions
    guard: Guard

    def cookie(self, *scopes: str) -> dict[str, str]:
        """Headers of somebody with these scopes."""
        secret, _ = Tokens(self.store.database).create("somebody", scopes)
        opened = self.sessions.open(secret, "en")
        assert opened is not None
        return {"Cookie": f"{cookie_name(False)}={opened[0]}"}

    def lose_store(self) -> None:
        path = Path(str(self.store.database.url.database))
        self.store.close()
        path.write_bytes(b"no database at all" * 100)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.guard), base_url=HOST) as client:
            return await client.request(method, path, headers=headers)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    sessions = Sessions(Tokens(store.database), 3600)
    services = Services(ReviewDesk(store, default_doctrine()), store, sessions, nothing, nothing_merged)
    yield Guarded(store, sessions, Guard(inner, services, secure=False))
    store.close()


@pytest.mark.parametrize("path", NEEDS)
async def test_without_a_session_every_page_leads_to_the_sign_in(guarded: Guarded, path: str) -> None:
    if path == "/_nicegui_ws/":
        return  # pages speak to it by WebSocket alone
    answer = await guarded.ask("GET", path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("path", [path for path in NEEDS if path != "/_nicegui_ws/"])
async def test_a_page_is_shown_to_who_has_one_of_its_scopes_and_to_nobody_else(guarded: Guarded, path: str) -> None:
    for scope in ("review", "supervise", "audit"):
        answer = await guarded.ask("GET", path, guarded.cookie(scope))
        assert answer.status_code == (200 if scope in NEEDS[path] else 403)


@pytest.mark.parametrize("path", ["/made-up", "/reviews", "/auditor", "/sign-in/x", "/staticx"])
async def test_a_page_that_is_in_no_table_is_refused_to_everybody(guarded: Guarded, path: str) -> None:
    answer = await guarded.ask("GET", path, guarded.cookie("review", "supervise", "audit"))
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/sign-in", "/static/console.css", "/_nicegui/1/x.js", "/favicon.ico"])
async def test_the_way_in_is_open_to_everybody(guarded: Guarded, path: str) -> None:
    assert (await guarded.ask("GET", path)).text == "nobody"


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.test", "http://console.test.evil", "http://console.test:81"]
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/"])
async def test_what_changes_something_must_come_from_the_console_itself(
    guarded: Guarded, origin: str, path: str
) -> None:
    headers = guarded.cookie("review") | ({"Origin": origin} if origin else {})
    assert (await guarded.ask("POST", path, headers)).status_code == 403


async def test_a_form_of_the_console_itself_comes_through(guarded: Guarded) -> None:
    headers = guarded.cookie("review") | {"Origin": HOST}
    assert (await guarded.ask("POST", "/sign-out", headers)).text == "somebody"


async def test_the_socket_is_not_spoken_to_by_plain_requests(guarded: Guarded) -> None:
    headers = guarded.cookie("review") | {"Origin": HOST}
    for method in ("GET", "POST"):
        answer = await guarded.ask(method, "/_nicegui_ws/socket.io/?transport=polling", headers)
        assert answer.status_code == 403


async def test_a_revoked_token_is_shown_nothing_more(guarded: Guarded) -> None:
    headers = guarded.cookie("review")
    assert (await guarded.ask("GET", "/", headers)).status_code == 200
    (token,) = Tokens(guarded.store.database).list()
    Tokens(guarded.store.database).revoke(token.id)
    assert (await guarded.ask("GET", "/", headers)).status_code == 303


async def test_where_the_store_cannot_be_asked_nobody_is_let_in(guarded: Guarded) -> None:
    headers = guarded.cookie("review")
    guarded.lose_store()
    assert (await guarded.ask("GET", "/", headers)).status_code == 503


async def test_who_signs_out_is_out_also_where_the_store_cannot_be_asked(guarded: Guarded) -> None:
    headers = guarded.cookie("review") | {"Origin": HOST}
    guarded.lose_store()
    app = FastAPI()
    app.include_router(router)
    guarded.guard._app = app
    assert (await guarded.ask("POST", "/sign-out", headers)).status_code == 303
    assert (await guarded.ask("GET", "/", headers)).headers["location"] == "/sign-in"


async def test_an_event_of_a_page_that_nobody_knows_of_is_guarded_too(guarded: Guarded) -> None:
    server = socketio.AsyncServer(async_mode="asgi")
    done: list[str] = []
    for name in ("connect", "disconnect", "log", "handshake", "of-a-later-version"):
        server.on(name, lambda sid, message, name=name: done.append(name))
    guard_events(server, guarded.sessions, secure=False)
    server.get_environ = lambda sid, namespace=None: {"asgi.scope": {"headers": []}}
    for name in ("handshake", "of-a-later-version"):
        assert await server.handlers["/"][name]("a-socket", {"client_id": "another's"}) is False
    assert done == []


async def test_every_answer_forbids_frames_foreign_sources_and_keeping(guarded: Guarded) -> None:
    for headers in ({}, guarded.cookie("review")):
        answer = await guarded.ask("GET", "/", headers)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["Cache-Control"] == "no-store"
    assert "http" not in HEADERS["Content-Security-Policy"]


async def test_a_prefix_that_a_visitor_makes_up_does_not_reach_the_pages(guarded: Guarded) -> None:
    seen: list[bytes] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await PlainTextResponse("")(scope, receive, send)

    guarded.guard._app = note
    await guarded.ask("GET", "/", guarded.cookie("review") | {"X-Forwarded-Prefix": "//evil.test"})
    assert b"x-forwarded-prefix" not in seen


def test_over_tls_the_cookie_is_bound_to_the_host() -> None:
    assert cookie_name(True).startswith("__Host-")
