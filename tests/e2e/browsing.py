"""People in front of a console, by Playwright."""

import asyncio
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, ViewportSize, expect

from tests.e2e.running import RunningConsole

PATIENCE_MS = 120_000
"""Nothing that is waited for takes so long on the slowest machine."""
CLOSING_S = 20
DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)

expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str | None:
    """The browser of this machine."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@dataclass
class Visitors:
    """Opens browsers, and notes what went wrong in any."""

    browser: Browser
    console: RunningConsole
    problems: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def arrive(self, viewport: ViewportSize = DESK) -> Page:
        """Somebody with an empty browser, at the sign-in."""
        context = await self.browser.new_context(viewport=viewport, locale="zh-CN")
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"error in the page: {error}"))
        page.on("request", self._note_foreign)
        await page.goto(self.console.url)
        return page

    async def sign_in(self, name: str, *roles: str, viewport: ViewportSize = DESK, language: str = "zh") -> Page:
        """Somebody who has a token, at the queue."""
        page = await self.arrive(viewport)
        await page.goto(f"{self.console.url}/sign-in?language={language}")
        await page.locator("#token").fill(self.console.token(name, *roles))
        await page.keyboard.press("Enter")
        await expect(page.locator("ol.queue")).to_be_attached()
        await live(page)
        return page

    async def open(self, page: Page, path: str) -> None:
        """Goes to a page, and waits until it listens."""
        await page.goto(self.console.url + path)
        await live(page)

    async def leave(self) -> None:
        for context in self.contexts:
            await close(context)

    def _note_foreign(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.netloc != urlsplit(self.console.url).netloc:
            self.problems.append(f"a foreign address: {request.url}")


async def close(opened: BrowserContext | Browser) -> None:
    """Closes it. Where a page reloads in that moment Chromium may never say so; it ends with Playwright then."""
    with suppress(TimeoutError):
        await asyncio.wait_for(opened.close(), CLOSING_S)


async def live(page: Page) -> None:
    """Returns when the page has its socket: what is clicked before that is lost."""
    await page.wait_for_function("() => window.socket?.connected && window.did_handshake")


async def begin_editing(page: Page) -> Locator:
    """The field of the draft, once it holds the draft: what is typed before that would stand beside it."""
    await page.keyboard.press("e")
    field = page.locator(".editor textarea")
    await expect(field).to_be_focused()
    return field
