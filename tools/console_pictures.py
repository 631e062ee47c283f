"""Photographs the console's pages for the documents: real answers of a bundle, in Debian's Chromium.

Example:
    python tools/console_pictures.py dispatch/bundles/default --out docs/pictures
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from dispatch.console import ConsoleConfig, Services, Sessions, serve_console
from dispatch.domain import Context, default_doctrine
from dispatch.engine import open_engine
from dispatch.model import load_bundle
from dispatch.store import Instruction, Store, Tokens, scopes_of
from dispatch.workflow import Intake, IntakeRequest, ReviewConfig, ReviewDesk
from dispatch.workflow.explain import explain_stored
from dispatch.workflow.review import Reviewer

DESK = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
REPORTS = (
    IntakeRequest("龙泉镇老粮站对面居民楼起火,三楼有2人被困,浓烟很大", incident_id="2026-031"),
    IntakeRequest("青石桥村洪水,水深1.5米,16人被困屋顶,有老人,村里停电,急需冲锋舟", incident_id="2026-032"),
    IntakeRequest("青石桥村又来报,被困20人,水还在涨", incident_id="2026-032"),
    IntakeRequest("G213国道塌方,一辆面包车被埋,车上5人,急需挖掘机和救护车", incident_id="2026-033"),
    IntakeRequest("山区公路积雪3米,断电,50人被困,急需发电机和医疗队", Context("S205省道"), incident_id="2026-034"),
    IntakeRequest("高速追尾,3人受伤,1人卡在驾驶室", incident_id="2026-035"),
)
SHOWN = 1  # of the reports, on the page of review


@dataclass(frozen=True)
class Photographer:
    """Somebody signed in, and where the pictures go."""

    browser: Browser
    url: str
    secret: str
    out: Path

    async def open(self, viewport: ViewportSize, path: str) -> Page:
        """A page, when all of it has come."""
        page = await self.browser.new_page(viewport=viewport, locale="zh-CN", device_scale_factor=1)
        await page.goto(self.url)
        await page.locator("#token").fill(self.secret)
        await page.keyboard.press("Enter")
        await page.locator("a.row").first.wait_for()
        if path != "/":
            await page.goto(self.url + path)
        await page.wait_for_function("() => window.socket?.connected && window.did_handshake")
        await page.wait_for_timeout(3000)
        return page

    async def shoot(self, page: Page, name: str) -> None:
        await page.screenshot(path=self.out / f"console-{name}.png")
        await page.context.close()


async def photograph(url: str, secret: str, key: str, out: Path) -> None:
    """All pages."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        somebody = Photographer(browser, url, secret, out)
        await somebody.shoot(await somebody.open(DESK, "/"), "queue")
        page = await somebody.open(DESK, f"/review/{key}?take=1")
        await page.locator("ul.claims li", has_text="16").first.hover()
        await somebody.shoot(page, "review")
        page = await somebody.open(DESK, f"/review/{key}?take=1")
        await page.keyboard.press("e")
        await page.keyboard.press("Control+End")
        await page.keyboard.type(",到场后回报水位")
        await page.wait_for_timeout(1500)
        await page.locator(".editor").scroll_into_view_if_needed()
        await somebody.shoot(page, "edit")
        await somebody.shoot(await somebody.open(DESK, f"/attention/{key}"), "attention")
        await somebody.shoot(await somebody.open(DESK, "/supervisor"), "supervisor")
        await somebody.shoot(await somebody.open(PHONE, "/"), "phone")
        await browser.close()


def decide_some(desk: ReviewDesk, names: list[str]) -> None:
    """So that the supervisor's page has something to show."""
    scopes = scopes_of(["reviewer"], [])
    for at, name in enumerate(names):
        reviewer = Reviewer(("王敏", "李强")[at % 2], scopes)
        claimed = desk.claim(reviewer, name)
        if at % 3 == 2:
            desk.reject(reviewer, name, etag=claimed.etag, reason="重复来报")
        elif at % 3 == 1:
            text = f"{claimed.instruction},到场后回报"
            desk.revise(reviewer, name, etag=claimed.etag, text=text, reason="现场要求")
        else:
            desk.approve(reviewer, name, etag=claimed.etag, reason="已核实")


def _merge(reviewer: Reviewer, name: str, into: str, etag: str) -> Future[Instruction]:
    raise ValueError("nothing is merged for a picture")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store = Store.open(f"sqlite:///{folder}/pictures.db")
        stack.callback(store.close)
        intake = Intake(open_engine(bundle, "torch", "float32", 0), store)
        desk = ReviewDesk(store, default_doctrine(), ReviewConfig())
        decide_some(desk, [intake.submit(request).name for request in REPORTS * 2])
        waiting = [intake.submit(request) for request in REPORTS]
        desk.claim(Reviewer("李强", scopes_of(["reviewer"], [])), waiting[3].name)
        secret, _ = Tokens(store.database).create(
            "王敏", scopes_of(["supervisor"], []), expires_at=waiting[0].created_at + timedelta(hours=1)
        )
        sessions = Sessions(Tokens(store.database), 3600)
        services = Services(desk, store, sessions, lambda instruction: explain_stored(bundle, instruction), _merge)
        url = stack.enter_context(serve_console(ConsoleConfig("127.0.0.1", 0, is_loopback=True), services))
        asyncio.run(photograph(url, secret, waiting[SHOWN].name.removeprefix("instructions/"), options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
