"""Who gets in: every request and every event of a page belongs to a session, and comes from the console's own pages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from nicegui import Client
from socketio import AsyncServer
from socketio.exceptions import ConnectionRefusedError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch.console.services import Services
from dispatch.console.sessions import MAY_SIGN_IN, Session, Sessions
from dispatch.console.texts import Words
from dispatch.store import StoreError

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"

NEEDS: Mapping[str, frozenset[str]] = {
    "/": MAY_SIGN_IN,
    "/review/": MAY_SIGN_IN,
    "/attention/": MAY_SIGN_IN,
    "/audit": frozenset({"audit"}),
    "/supervisor": frozenset({"supervise"}),
    SIGN_OUT: MAY_SIGN_IN,
    "/_nicegui_ws/": MAY_SIGN_IN,
}
"""What a page asks of its visitor: one of these scopes. A path that ends in a stroke means all below it. A page that is
missing here is refused to everybody."""

PUBLIC = (SIGN_IN, "/static/", "/_nicegui/", "/favicon.ico")
"""What is shown to anybody: files that are the same in every installation, and the way in."""

HEADERS = {
    # NiceGUI's own scripts stand in the page and compile templates; nothing is loaded from or sent to elsewhere.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_FILES = ("/static/", "/_nicegui/", "/favicon.ico")
_SOCKET = "/_nicegui_ws/"
_SAFE = ("GET", "HEAD")
_FORWARDED = b"x-forwarded-prefix"  # NiceGUI would write it into its pages
_NOT_OF_PAGES = {"connect", "disconnect", "log"}  # events of the socket; every other one names a page

logger = logging.getLogger(__name__)


def cookie_name(secure: bool) -> str:
    """Of the session's cookie; over TLS one that no other host and no plain connection can set."""
    return "__Host-dispatch" if secure else "dispatch"


class Guard:
    """Wraps the application: nothing in it is reached by who may not."""

    def __init__(self, app: ASGIApp, services: Services, secure: bool) -> None:
        self._app = app
        self._services = services
        self._cookie = cookie_name(secure)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != _FORWARDED]
        session = session_of(self._services.sessions, self._cookie, Headers(scope=scope))
        refusal = await self._refuse(scope, session)
        if refusal is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif refusal is not None:
            await refusal(scope, receive, self._with_headers(scope, send))
        else:
            state = {"session": session, "services": self._services, "secure": self._secure}
            scope["state"] = {**scope.get("state", {}), **state}
            await self._app(scope, receive, self._with_headers(scope, send))

    async def _refuse(self, scope: Scope, session: Session | None) -> Response | None:
        """The answer to who may not come in; None where they may."""
        path, websocket = scope["path"], scope["type"] == "websocket"
        if (websocket or scope["method"] not in _SAFE) and not is_same_origin(Headers(scope=scope)):
            return PlainTextResponse("the request comes from another site", 403)
        if path.startswith(_SOCKET) and not websocket:
            return PlainTextResponse("pages talk to the server by WebSocket alone", 403)
        if _matches(PUBLIC, path) or (path == SIGN_OUT and session is not None):
            return None  # whoever has a session can end it, also while the store cannot be asked
        try:
            if session is None or not await asyncio.to_thread(self._services.sessions.is_open, session):
                if websocket or scope["method"] not in _SAFE:
                    return PlainTextResponse("sign in first", 401)
                return RedirectResponse(SIGN_IN, 303)
        except StoreError:
            return PlainTextResponse(Words(session.language if session else "zh")("error.store"), 503)
        needs = next((scopes for page, scopes in NEEDS.items() if _matches((page,), path)), frozenset())
        if not needs & session.scopes:
            return PlainTextResponse(Words(session.language)("error.forbidden"), 403)
        return None

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if not _matches(_FILES, scope["path"]):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return sender


def session_of(sessions: Sessions, cookie: str, headers: Headers) -> Session | None:
    """The session that a request shows by its cookie."""
    return sessions.find(cookie_parser(headers.get("cookie", "")).get(cookie, ""))


def is_same_origin(headers: Headers) -> bool:
    """Whether a browser says that a page of this very host has sent the request."""
    _, separator, origin = headers.get("origin", "").partition("://")
    return bool(separator) and origin.lower() == headers.get("host", "").lower()


def guard_events(server: AsyncServer, sessions: Sessions, secure: bool) -> None:
    """Has a page listen to the browser that it was made for alone, and while its session is open.

    Without this any socket could speak for every page whose random id it knows. What a browser would have logged is
    ignored: it could hold a report.
    """
    handlers = server.handlers["/"]
    cookie = cookie_name(secure)
    for name in handlers.keys() - _NOT_OF_PAGES:  # whatever there is: what a later version adds is guarded as well
        server.on(name, _guarded(server, sessions, cookie, handlers[name]))
    server.on("connect", _guarded_connect(sessions, cookie, handlers["connect"]))
    server.on("log", lambda sid, message: None)


Handler = Callable[..., Any]


def _guarded(server: AsyncServer, sessions: Sessions, cookie: str, handler: Handler) -> Handler:
    turns: WeakKeyDictionary[Client, asyncio.Lock] = WeakKeyDictionary()

    async def guarded(sid: str, message: dict[str, Any]) -> Any:
        client = Client.instances.get(str(message.get("client_id")))
        session = session_of(sessions, cookie, Headers(scope=server.get_environ(sid)["asgi.scope"]))
        if client is None or session is None or not _is_page_of(client, session):
            return False
        async with turns.setdefault(client, asyncio.Lock()):  # events of a page take effect as they came
            try:
                open_still = await asyncio.to_thread(sessions.is_open, session)
            except StoreError:
                logger.warning("the store cannot say whether a session goes on: an event was dropped")
                return False
            if not open_still:
                client.open(SIGN_IN)
                return False
            answer = handler(sid, message)
            return await answer if isinstance(answer, Awaitable) else answer

    return guarded


def _guarded_connect(sessions: Sessions, cookie: str, handler: Handler) -> Handler:
    """A socket may name its page when it connects, and is then refused at once where that is another's."""

    async def guarded(sid: str, environ: dict[str, Any], *more: Any) -> Any:
        session = session_of(sessions, cookie, Headers(scope=environ["asgi.scope"]))
        (named,) = parse_qs(environ.get("QUERY_STRING", "")).get("client_id", [""])[:1]
        client = Client.instances.get(named)
        if session is None or (client is not None and not _is_page_of(client, session)):
            raise ConnectionRefusedError("the page is another's")
        return await handler(sid, environ, *more)

    return guarded


def _is_page_of(client: Client, session: Session) -> bool:
    return getattr(client.request.state, "session", None) is session


def _matches(paths: tuple[str, ...], path: str) -> bool:
    return any(path == known or (known.endswith("/") and known != "/" and path.startswith(known)) for known in paths)
