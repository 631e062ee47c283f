"""How soon the console's queue is painted over many stored rows, and whether it stays live while calls arrive.

python benchmarks/console.py --bundle runs/exported --rows 100000 --rate 50 --seconds 30 --out runs/console.json

Fills a store, serves it by `dispatch serve --console`, and looks at it with Debian's Chromium. Reported are the time
from the request to the first painted row, over fresh loads; then, while calls arrive, the time from a claim in one
browser to its being seen in another, and what the calls themselves took. Exit status 1 where a bar is not met; that a
machine cannot answer all calls in time, and the service refuses the others as it should, is told and is no fault of
the console.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.serving.generator import Generator, by_status, messages, percentiles_ms, reports
from benchmarks.serving.server import ServerOptions, running
from benchmarks.store import draft
from dispatch.domain import PRIORITIES
from dispatch.store import Reviews, Store, Tokens, scopes_of
from dispatch.store.records import utc_now

PAINT_BAR_S = 1.0
SEEN_BAR_S = 4.0  # twice the time from one reading of the queue to the next
_OF_LOAD = {
    "OK",
    "RESOURCE_EXHAUSTED OVERLOADED",
    "DEADLINE_EXCEEDED DEADLINE_UNREACHABLE",
    "DEADLINE_EXCEEDED",
}  # how calls end where more arrive than can be answered
_AT_ONCE = 1000
_PATIENCE_MS = 120_000
# Notes when the first row is in the page and the frame with it has been drawn.
_WATCH = """
new MutationObserver((_, watcher) => {
  if (!document.querySelector("a.row")) return;
  watcher.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.rowsAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds."""

    rows: int
    first_row_s: list[float]
    """Of each load, from the request to the first row on the screen."""
    seen_s: list[float]
    """From a claim to its being seen by somebody else."""
    rate: float
    calls: dict[str, int]
    """By status."""
    call_ms: dict[str, float | None]


def fill(store: Store, rows: int) -> None:
    """Stores drafts of all priorities, each a second older than the one before it."""
    now = utc_now()
    for first in range(0, rows, _AT_ONCE):
        store.save_all(
            [
                replace(draft(), priority=PRIORITIES[at % 3], created_at=now - timedelta(seconds=at), confidence=0.5)
                for at in range(first, min(first + _AT_ONCE, rows))
            ]
        )


async def sign_in(browser: Browser, url: str, secret: str) -> Page:
    """Somebody who looks at the queue."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    await context.add_init_script(_WATCH)
    page = await context.new_page()
    await page.goto(url)
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await page.locator("a.row").first.wait_for()
    return page


async def measure_paint(page: Page, url: str, loads: int) -> list[float]:
    """Seconds to the first row, of each load; the files are in the browser's cache, as on any but the first day."""
    found = []
    for _ in range(loads):
        await page.goto(url)
        found.append(float(await (await page.wait_for_function("window.rowsAt")).json_value()) / 1000)
    return found


async def measure_seen(looking: Page, taking: Page, seconds: float) -> list[float]:
    """Seconds from a claim in one browser to its being seen in the other, again and again."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        row = taking.locator("a.row:not(.held)").first
        key = await row.get_attribute("data-row")
        await row.click()
        await taking.locator('[data-key="l"]:visible').wait_for()
        began = time.monotonic()
        await looking.locator(f'a.row.held[data-row="{key}"]').wait_for()
        found.append(time.monotonic() - began)
        await taking.keyboard.press("l")
        await taking.locator("a.row").first.wait_for()
    return found


async def measure(options: argparse.Namespace) -> Figures:
    """All of it, on a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        url = f"sqlite:///{folder}/served.db"
        store = Store.open(url)
        fill(store, options.rows)
        assert len(Reviews(store.database).queue(limit=1).instructions) == min(1, options.rows)
        secrets = [Tokens(store.database).create(name, scopes_of(["reviewer"], []))[0] for name in ("甲", "乙")]
        store.close()
        probe.bind(("127.0.0.1", 0))
        console = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        settings = {"DISPATCH_CONSOLE": console}
        server = ServerOptions(options.bundle, os.sched_getaffinity(0), database_url=url, settings=settings)
        with running(server) as process:
            return await _look(options, f"http://{console}/", process.address, secrets)


async def _look(options: argparse.Namespace, console: str, address: str, secrets: list[str]) -> Figures:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        looking, taking = [await sign_in(browser, console, secret) for secret in secrets]
        painted = await measure_paint(looking, console, options.loads)
        generator = Generator(address)
        requests = messages(reports(200, seed=1), "greedy")
        flood = asyncio.create_task(generator.flood(requests, options.rate, options.seconds, deadline_s=30.0))
        seen = await measure_seen(looking, taking, options.seconds)
        outcomes = await flood
        await generator.close()
        await browser.close()
    took = percentiles_ms([outcome.seconds for outcome in outcomes if outcome.code == "OK"])
    return Figures(options.rows, painted, seen, options.rate, by_status(outcomes), took)


def table(figures: Figures) -> str:
    """For people."""
    painted, seen, calls = figures.first_row_s, figures.seen_s, figures.call_ms
    return "\n".join(
        (
            f"first row over {figures.rows:,} rows: {_told(painted)}",
            f"a claim is seen by another, at {figures.rate:g} calls a second: {_told(seen)}",
            f"calls: {figures.calls}, p50 {calls['p50_ms']} ms, p99 {calls['p99_ms']} ms",
        )
    )


def _told(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s of {len(seconds)}"


def faults(figures: Figures) -> list[str]:
    """The bars that are not met."""
    found = []
    if (median := statistics.median(figures.first_row_s)) > PAINT_BAR_S:
        found.append(f"the first row is painted after {median:.2f} s, more than {PAINT_BAR_S:g} s")
    if max(figures.seen_s) > SEEN_BAR_S:
        found.append(f"a claim is seen after {max(figures.seen_s):.2f} s, more than {SEEN_BAR_S:g} s")
    if set(figures.calls) - _OF_LOAD or not figures.calls.get("OK"):
        found.append(f"calls failed: {figures.calls}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    print(table(figures))
    if options.out:
        options.out.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    missed = faults(figures)
    for fault in missed:
        print(fault, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
