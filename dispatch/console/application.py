"""The console as one ASGI application: NiceGUI's pages, the sign-in, the data of pictures and the files they need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from nicegui import app as nicegui_app
from nicegui import core, ui
from nicegui.nicegui import _shutdown, _startup
from starlette.types import ASGIApp

from dispatch.console import attention_page, audit_page, queue_page, review_page, supervisor_page
from dispatch.console.guard import Guard, guard_events
from dispatch.console.services import Services
from dispatch.console.sign_in import router

STATIC = Path(__file__).parent / "static"
PAGES = (queue_page, review_page, attention_page, audit_page, supervisor_page)
"""Each module puts its page into NiceGUI, which keeps them by their paths."""

_LINKS = '<link rel="stylesheet" href="/static/console.css">\n<script defer src="/static/console.js"></script>\n'


def make_application(services: Services, secure: bool) -> ASGIApp:
    """The console behind its guard. NiceGUI has one for a process."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC))
    nicegui_app.config.socket_io_js_transports = ["websocket"]
    ui.add_head_html(_LINKS, shared=True)
    ui.run_with(
        app,
        title="Dispatch",
        favicon=STATIC / "favicon.svg",
        language="zh-CN",
        reconnect_timeout=10.0,
        tailwind=False,
        show_welcome_message=False,
    )
    app.router.lifespan_context = _lifespan
    guard_events(core.sio, services.sessions, secure)
    return Guard(app, services, secure)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """NiceGUI's own would look through every object of the process for its server, which some objects take amiss."""
    await _startup()
    try:
        yield
    finally:
        await _shutdown()
