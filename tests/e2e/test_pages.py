"""What the other pages show, in both languages, on a desk and on a phone."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize, expect

from dispatch.console.guard import NEEDS
from dispatch.store import Page as Listed
from dispatch.store import QueueFilter
from dispatch.store.records import utc_now
from dispatch.workflow.live import NO_MODEL
from dispatch.workflow.review import Reviewer
from tests.e2e.browsing import DESK, PHONE, Visitors, begin_editing
from tests.e2e.rows import Draft, drafted
from tests.e2e.running import RunningConsole

PAGES = ("/", "/review/{}", "/attention/{}", "/audit", "/supervisor")
SERIOUS = ("serious", "critical")


async def faults(page: Page) -> list[str]:
    """What axe finds of serious and critical faults."""
    found = await Axe().run(page)
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found.response["violations"]
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


def test_each_page_is_looked_at() -> None:
    beside = {"/sign-out", "/_nicegui_ws/"}
    assert {path.removesuffix("{}") for path in PAGES} == set(NEEDS) - beside


@pytest.mark.parametrize(("viewport", "language"), [(DESK, "zh"), (PHONE, "en")], ids=["desk", "phone"])
async def test_pages_have_no_serious_fault_and_fit_the_screen(
    console: RunningConsole, visitors: Visitors, viewport: ViewportSize, language: str
) -> None:
    key, _ = console.add(
        Draft(incident_id=f"无障碍-{language}", probability=0.3), Draft(report=f"洪水https://{'a' * 300}.test")
    )
    page = await visitors.arrive(viewport)
    assert await faults(page) == []
    page = await visitors.sign_in(f"眼力-{language}", "supervisor", viewport=viewport, language=language)
    for path in PAGES:
        await visitors.open(page, path.format(key))
        await page.wait_for_timeout(1000)  # what comes after the page itself: evidence, pictures
        assert await faults(page) == [], path
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= viewport["width"], path
        assert await page.evaluate("document.documentElement.lang") == {"zh": "zh-CN", "en": "en-US"}[language]


async def test_the_steps_and_dialogs_have_no_serious_fault(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(probability=0.3))
    page = await visitors.sign_in("对话框", "reviewer")
    await visitors.open(page, f"/review/{key}?take=1")
    await begin_editing(page)
    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator(".editor")).to_be_hidden()
    await page.wait_for_timeout(700)  # what is typed right behind a step is no other one
    await page.keyboard.press("a")
    await expect(page.locator("dialog.reason")).to_be_visible()
    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog.reason")).to_be_hidden()
    await page.wait_for_timeout(700)
    await page.keyboard.press("?")
    await expect(page.locator("dialog.help")).to_be_visible()
    assert await faults(page) == []


async def test_a_reading_that_began_before_a_search_does_not_undo_it(
    console: RunningConsole, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.add(Draft(report="慢读村洪水,水深1.5米,被困16人"), Draft(report="别的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("慢读", "reviewer")
    read, began = console.desk.list, Event()

    def list_slowly(reviewer: Reviewer, wanted: QueueFilter, *, limit: int, token: str = "") -> Listed:
        found = read(reviewer, wanted, limit=limit, token=token)
        if not wanted.text and reviewer.name == "慢读":
            began.set()
            time.sleep(2)
        return found

    monkeypatch.setattr(console.desk, "list", list_slowly)
    await asyncio.to_thread(began.wait)
    await page.locator("input[type=search]").fill("慢读村")
    rows = page.locator("a.row")
    await expect(rows).to_have_count(1)
    await page.evaluate(
        """() => {
            window.most = 0;
            const list = document.querySelector(".queue");
            const note = () => { window.most = Math.max(window.most, list.children.length); };
            new MutationObserver(note).observe(list, { childList: true });
        }"""
    )
    await page.wait_for_timeout(3000)
    assert await page.evaluate("window.most") <= 1


async def test_the_heatmap_draws_each_kind_layer_and_head(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft())
    page = await visitors.sign_in("热图", "auditor")
    await visitors.open(page, f"/attention/{key}")
    canvas = page.locator("canvas")
    drawn: set[str] = set()
    for kind in ("cross", "encoder", "decoder"):
        await page.locator("select[name=kind]").select_option(kind)
        await expect(page.locator("select[name=layer]")).to_have_value("0")
        await page.locator("select[name=layer]").select_option("1")
        await page.locator("select[name=head]").select_option("2")
        rows = page.locator("table.strongest tbody tr")
        await page.wait_for_timeout(500)
        picture = json.loads(await canvas.get_attribute("data-picture") or "{}")
        assert await rows.count() == len(picture["rows"])
        assert {len(line) for line in picture["weights"]} == {len(picture["columns"])}
        assert await canvas.get_attribute("data-drawn") == f"{len(picture['rows'])}×{len(picture['columns'])}"
        drawn.add(await canvas.evaluate("canvas => canvas.toDataURL()"))
    assert len(drawn) == 3


async def test_a_report_that_no_model_has_read_has_no_heatmap_and_no_evidence(
    console: RunningConsole, visitors: Visitors
) -> None:
    stored = console.store.save(replace(drafted(Draft()), model=NO_MODEL))
    key = stored.name.removeprefix("instructions/")
    page = await visitors.sign_in("无模型", "auditor")
    await visitors.open(page, f"/attention/{key}")
    await expect(page.locator(".page")).to_contain_text("没有模型读过此报文。")
    await visitors.open(page, f"/review/{key}")
    await expect(page.locator(".page")).to_contain_text("无出处可查")


async def test_what_another_model_would_have_thought_of_a_draft_is_not_shown_as_its_confidence(
    console: RunningConsole, visitors: Visitors
) -> None:
    stored = console.store.save(drafted(Draft()))  # of a model that is not here
    key = stored.name.removeprefix("instructions/")
    page = await visitors.sign_in("换模型", "auditor")
    await visitors.open(page, f"/review/{key}")
    await expect(page.get_by_text(f"出处由模型 {console.model.name} 查得")).to_be_visible()
    await expect(page.locator(".draft [class*=shade-]")).to_have_count(0)
    await visitors.open(page, f"/attention/{key}")
    await expect(page.locator(".page")).to_contain_text("写此草稿的模型已不在")


async def test_the_audit_trail_says_who_did_what_and_is_narrowed_down(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft())
    console.desk.claim(console.reviewer("被审计"), f"instructions/{key}")
    page = await visitors.sign_in("审计", "auditor")
    await visitors.open(page, f"/audit?subject=instructions/{key}")
    rows = page.locator("table.events tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("instruction.claimed")
    await page.get_by_label("谁").fill("被审计")
    await expect(rows).to_have_count(1)


async def test_the_supervisor_sees_backlog_and_overrides(console: RunningConsole, visitors: Visitors) -> None:
    keys = console.add(Draft(), Draft(report="已驳回的村子洪水,水深1.5米,被困16人"))
    reviewer, name = console.reviewer("改动多"), f"instructions/{keys[1]}"
    etag = console.desk.claim(reviewer, name).etag
    console.desk.reject(reviewer, name, etag=etag, reason="重复")
    page = await visitors.sign_in("统计", "supervisor")
    await visitors.open(page, "/supervisor")
    row = page.locator("section", has_text="各审核员的改动率").locator("tr", has_text="改动多")
    await expect(row).to_contain_text("100%")
    await expect(page.locator("section", has_text="各灾种的改动率")).to_contain_text("洪涝")


async def test_the_language_is_changed_on_the_spot(console: RunningConsole, visitors: Visitors) -> None:
    page = await visitors.sign_in("双语", "reviewer")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Queue")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_what_does_not_exist_is_said_so(console: RunningConsole, visitors: Visitors) -> None:
    page = await visitors.sign_in("找不到", "reviewer")
    for path in ("/review/" + "0" * 32, "/review/made-up", "/attention/" + "0" * 32):
        await page.goto(console.url + path)
        await expect(page.locator(".message")).to_have_text("没有这条指令。")


async def test_every_page_tells_what_is_overdue_and_with_nobody(console: RunningConsole, visitors: Visitors) -> None:
    late = replace(drafted(Draft()), priority="特急", due_at=utc_now() - timedelta(seconds=1))
    stored = console.store.save(late)
    page = await visitors.sign_in("告警", "supervisor")
    for path in PAGES:
        await visitors.open(page, path.format(stored.name.removeprefix("instructions/")))
        await expect(page.get_by_role("alert")).to_have_text("1 条特急超时无人领取")
    console.desk.claim(console.reviewer("值守"), stored.name)
    await expect(page.get_by_role("alert")).to_be_hidden()
