"""Signing in and out: plain forms, which work before any script has loaded."""

import asyncio
import logging
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dispatch.console.guard import SIGN_IN, SIGN_OUT, cookie_name
from dispatch.console.services import Services
from dispatch.console.sessions import NoConsoleScope, Session
from dispatch.console.texts import LANGUAGES, Words
from dispatch.store import Audit, StoreError

MAX_FORM = 4096  # bytes

router = APIRouter()
logger = logging.getLogger(__name__)


@router.get(SIGN_IN)
async def show(request: Request) -> Response:
    """The form; whoever is signed in goes on to the queue."""
    if request.state.session is not None:
        return RedirectResponse("/", 303)
    return _form(Words(_language(request.query_params.get("language", ""))), "")


@router.post(SIGN_IN)
async def sign_in(request: Request) -> Response:
    """Opens a session for a valid token, under a cookie that is new."""
    services: Services = request.state.services
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            return Response(status_code=413)
    fields = parse_qs(body.decode("utf-8", "replace"))
    words = Words(_language(fields.get("language", [""])[0]))
    try:
        found = await asyncio.to_thread(services.sessions.open, fields.get("token", [""])[0].strip(), words.language)
        if found is None:
            return _form(words, "sign_in.unknown", 401)
        cookie, session = found
        if request.state.session is not None:
            services.sessions.close(request.state.session)
        await asyncio.to_thread(_record, services, "session.opened", session)
    except NoConsoleScope:
        return _form(words, "sign_in.no_scope", 403)
    except StoreError:
        return _form(words, "error.store", 503)
    response = RedirectResponse("/", 303)
    secure: bool = request.state.secure
    response.set_cookie(cookie_name(secure), cookie, httponly=True, samesite="strict", secure=secure, path="/")
    return response


@router.post(SIGN_OUT)
async def sign_out(request: Request) -> Response:
    """Ends the session, for every page of it."""
    session: Session = request.state.session
    services: Services = request.state.services
    services.sessions.close(session)
    try:
        await asyncio.to_thread(_record, services, "session.closed", session)
    except StoreError:
        logger.warning("a session was closed, and the store could not record it")
    response = RedirectResponse(SIGN_IN, 303)
    secure: bool = request.state.secure
    response.delete_cookie(cookie_name(secure), httponly=True, samesite="strict", secure=secure, path="/")
    return response


def _record(services: Services, action: str, session: Session) -> None:
    Audit(services.store.database).record(
        action, session.name, f"principals/{session.name}", {"token": session.token_id}
    )


def _language(value: str) -> str:
    return value if value in LANGUAGES else LANGUAGES[0]


def _form(words: Words, problem: str, status: int = 200) -> HTMLResponse:
    """Holds nothing that a visitor has typed."""
    others = "".join(
        f'<a href="{SIGN_IN}?language={other.language}" lang="{other.tag}">{escape(other("language"))}</a>'
        for other in map(Words, LANGUAGES)
        if other.language != words.language
    )
    said = f'<p class="problem" role="alert">{escape(words(problem))}</p>' if problem else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{words.tag}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(words("sign_in.title"))} · Dispatch</title>
<link rel="stylesheet" href="/static/console.css">
</head>
<body class="sign-in">
<main>
<h1>{escape(words("sign_in.title"))}</h1>
{said}
<form method="post" action="{SIGN_IN}" autocomplete="off">
<label for="token">{escape(words("sign_in.token"))}</label>
<input id="token" name="token" type="password" required autofocus autocomplete="off" spellcheck="false">
<input type="hidden" name="language" value="{words.language}">
<button type="submit" class="primary">{escape(words("sign_in.enter"))}</button>
</form>
<p>{escape(words("sign_in.help"))}</p>
<p>{others}</p>
</main>
</body>
</html>
""",
        status,
    )
