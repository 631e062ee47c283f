"""Two reviewers at once never hold one item."""

import asyncio
import re
from datetime import timedelta

from playwright.async_api import expect

from dispatch.store import Retention, Reviews
from tests.e2e.browsing import Visitors, begin_editing
from tests.e2e.rows import Draft, flood_at
from tests.e2e.running import RunningConsole


async def test_of_two_browsers_that_race_for_an_item_one_gets_it_and_the_other_is_told_who(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="两人同抢的村子洪水,水深1.5米,被困16人"))
    pages = [await visitors.sign_in(name, "reviewer") for name in ("抢单甲", "抢单乙")]
    for page in pages:
        await visitors.open(page, f"/review/{key}")
        await expect(page.get_by_role("button", name="领取")).to_be_visible()
    await asyncio.gather(*(page.keyboard.press("Enter") for page in pages))
    holder = page_of_holder = None
    for page, name in zip(pages, ("抢单甲", "抢单乙"), strict=True):
        await expect(page.get_by_role("button", name="领取")).to_be_hidden()
        if await page.get_by_role("button", name="批准").is_visible():
            assert holder is None
            holder, page_of_holder = name, page
    assert holder == console.get(key).claimed_by
    (loser,) = [page for page in pages if page is not page_of_holder]
    await expect(loser.locator(".message")).to_have_text(f"已被 {holder} 领取。")
    await expect(loser.locator(".steps button:visible")).to_have_count(0)


async def test_a_claim_that_has_expired_can_be_taken_and_its_first_holder_cannot_decide(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="租约到期的村子洪水,水深1.5米,被困16人"))
    Reviews(console.store.database).claim(f"instructions/{key}", "离席", timedelta(seconds=3))
    first = await visitors.sign_in("离席", "reviewer")
    await visitors.open(first, f"/review/{key}")
    await expect(first.locator(".holder")).to_have_text("你的领取已到期,他人可领取")

    second = await visitors.sign_in("接手", "reviewer")
    await visitors.open(second, f"/review/{key}?take=1")
    await expect(second.locator(".holder")).to_contain_text("由你处理")
    assert console.get(key).claimed_by == "接手"

    await first.keyboard.press("a")
    await expect(first.locator(".message")).to_have_class("message problem")
    await expect(first.locator(".holder")).to_have_text("接手 正在处理")
    assert console.get(key).review_state == "claimed"


async def test_who_claims_sees_what_others_have_said_since_the_page_was_opened(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="打开已久的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("后到", "reviewer")
    await visitors.open(page, f"/review/{key}")
    first, name = console.reviewer("先到"), f"instructions/{key}"
    console.desk.return_for_review(first, name, etag=console.desk.claim(first, name).etag, reason="桥已断,请另选路线")
    await page.keyboard.press("Enter")
    await expect(page.locator(".holder")).to_contain_text("由你处理")
    await expect(page.locator(".history")).to_contain_text("桥已断,请另选路线")


async def test_what_is_erased_while_somebody_looks_is_shown_no_more(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="删除的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("删除", "reviewer")
    await visitors.open(page, f"/review/{key}")
    Retention(console.store.database).erase(f"instructions/{key}", actor="数据专员", reason="本人要求")
    await page.keyboard.press("Enter")
    await expect(page.locator(".page")).to_contain_text("个人数据已删除。")
    assert "删除的村子" not in await page.content()


async def test_an_edit_stays_on_the_screen_when_another_has_taken_the_item(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="改到一半的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("慢手", "reviewer")
    reviews = Reviews(console.store.database)
    await visitors.open(page, f"/review/{key}?take=1")
    await (await begin_editing(page)).fill("改到一半")
    await expect(page.locator(".editor .difference ins")).to_have_text("改到一半")
    reviews.release(f"instructions/{key}", "慢手")  # as if it had expired
    reviews.claim(f"instructions/{key}", "快手", timedelta(seconds=600))
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".holder")).to_have_text("快手 正在处理")
    await expect(page.locator(".editor textarea")).to_have_value("改到一半")
    assert console.get(key).review_state == "claimed"


async def test_of_two_windows_of_one_reviewer_both_can_go_on_and_one_decides(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="两窗村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("两窗村"),)))
    page = await visitors.sign_in("两窗", "reviewer")
    await visitors.open(page, f"/review/{key}?take=1")
    other = await page.context.new_page()
    await visitors.open(other, f"/review/{key}?take=1")  # renews the claim
    await page.keyboard.press("a")
    await expect(page.locator(".message")).to_have_text("它已被改动,现已重新读取,请再看一遍。")
    await other.keyboard.press("a")
    await expect(other.locator(".message")).to_have_text("已批准并发出。")
    await page.wait_for_timeout(700)  # what is typed right behind a step is no other one
    await page.keyboard.press("a")
    await expect(page.locator(".holder")).to_have_text("已批准")
    await expect(page.locator(".history")).to_contain_text("批准")
    assert [review.action for review in Reviews(console.store.database).history(f"instructions/{key}")] == ["approved"]


async def test_what_was_released_since_the_page_was_opened_is_not_merged_away(
    console: RunningConsole, visitors: Visitors
) -> None:
    report = "合并村洪水,水深1.5米,16人被困,急需冲锋舟,电话13700001111"
    key, _ = console.add(*(Draft(report=said, situations=(flood_at("合并村"),)) for said in (report, f"再报:{report}")))
    page = await visitors.sign_in("合并主管", "supervisor")
    page.on("dialog", lambda dialog: dialog.accept())
    await visitors.open(page, f"/review/{key}")
    await expect(page.locator('[data-key="m"]')).to_be_visible()
    reviewer, name = console.reviewer("抢先"), f"instructions/{key}"
    console.desk.approve(reviewer, name, etag=console.desk.claim(reviewer, name).etag, reason="已核实")
    await page.keyboard.press("m")
    await expect(page.locator(".message")).to_have_text("现在不能这样做:已批准")
    assert console.get(key).review_state == "approved"


async def test_a_claim_is_renewed_for_who_is_at_work(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="续租的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("忙碌", "reviewer")
    Reviews(console.store.database).claim(f"instructions/{key}", "忙碌", timedelta(seconds=25))
    await visitors.open(page, f"/review/{key}")
    ends = console.get(key).lease_expires_at
    assert ends is not None
    for _ in range(200):
        await page.keyboard.press("j")
        await asyncio.sleep(0.2)
        renewed = console.get(key).lease_expires_at
        if renewed is not None and renewed > ends:
            break
    assert renewed is not None
    assert renewed > ends


async def test_the_time_that_is_left_is_counted_down_without_being_read_out(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="读屏的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("读屏", "reviewer")
    await visitors.open(page, f"/review/{key}?take=1")
    await expect(page.locator(".holder")).to_have_text(re.compile("由你处理,剩余 9:[0-9]{2}"))
    await page.evaluate(
        """() => {
            window.told = 0;
            const status = document.querySelector(".holder [role=status]");
            const all = { childList: true, characterData: true, subtree: true };
            new MutationObserver(() => { window.told += 1; }).observe(status, all);
        }"""
    )
    left = page.get_by_role("timer")
    before = await left.inner_text()
    await expect(left).not_to_have_text(before)
    assert await page.evaluate("window.told") == 0


async def test_who_is_idle_keeps_nothing(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="闲置的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("闲置", "reviewer")
    Reviews(console.store.database).claim(f"instructions/{key}", "闲置", timedelta(seconds=4))
    await visitors.open(page, f"/review/{key}")
    await expect(page.locator(".holder")).to_have_text("你的领取已到期,他人可领取")


async def test_what_is_given_back_can_be_taken_by_another(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="放回的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("放手", "reviewer")
    await visitors.open(page, f"/review/{key}?take=1")
    await page.keyboard.press("l")
    await expect(page.locator(".message")).to_have_text("已放回队列。")
    assert console.get(key).review_state == "pending"
