"""One item from the queue to its decision and back, by keyboard, in a real browser."""

import re

from playwright.async_api import Page, expect

from tests.e2e.browsing import Visitors, begin_editing
from tests.e2e.rows import Draft, flood_at
from tests.e2e.running import RunningConsole


async def search(page: Page, text: str) -> None:
    """Leaves in the queue what has the text, and its first row with the focus."""
    await page.keyboard.press("/")
    await page.keyboard.type(text)
    await expect(page.locator("a.row")).to_have_count(1)
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(page.locator("a.row").first).to_be_focused()


async def take(page: Page, text: str) -> None:
    """Opens the item that has the text, and holds it."""
    await search(page, text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="驳回")).to_be_visible()


async def test_an_item_is_taken_its_evidence_seen_revised_and_released_by_keyboard_alone(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="柳溪村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("柳溪村"),)))
    page = await visitors.sign_in("键盘甲", "reviewer")
    await take(page, "柳溪村")
    assert console.get(key).claimed_by == "键盘甲"

    people = page.locator("ul.claims li", has_text="16").first
    await expect(people).to_have_attribute("data-evidence", re.compile("c[0-9]+"))
    await people.hover()
    assert "".join(await page.locator(".report .lit").all_inner_texts()) == "16人"
    await page.locator("ul.claims li", has_text="柳溪村").first.focus()
    assert "".join(await page.locator(".report .lit").all_inner_texts()) == "柳溪村"

    field = await begin_editing(page)
    draft = await field.input_value()
    assert draft == console.get(key).instruction
    await page.keyboard.press("End")
    await page.keyboard.press("Control+End")
    await page.keyboard.type(",到场后回报水位")
    await expect(page.locator(".editor .difference ins")).to_have_text(",到场后回报水位")
    await expect(page.locator(".editor .difference del")).to_have_count(0)
    await page.keyboard.press("Control+Enter")

    await expect(page.locator(".message")).to_have_text("修改稿已发出。")
    stored = console.get(key)
    assert (stored.review_state, stored.final_text) == ("revised", f"{draft},到场后回报水位")


async def test_what_is_sure_and_sound_is_approved_by_one_key(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="梅岭村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("梅岭村"),)))
    page = await visitors.sign_in("键盘乙", "reviewer")
    await take(page, "梅岭村")
    await page.keyboard.press("a")
    await expect(page.locator(".message")).to_have_text("已批准并发出。")
    assert console.get(key).review_state == "approved"


async def test_no_key_approves_a_draft_of_low_confidence(console: RunningConsole, visitors: Visitors) -> None:
    doubtful = Draft(
        report="竹溪村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("竹溪村"),), probability=0.3
    )
    (key,) = console.add(doubtful)
    page = await visitors.sign_in("谨慎", "reviewer")
    await take(page, "竹溪村")
    await expect(page.locator(".confidence")).to_have_class(re.compile("low"))
    await page.keyboard.press("a")
    dialog = page.locator("dialog.reason")
    await expect(dialog).to_be_visible()
    await expect(dialog).to_contain_text("LOW_CONFIDENCE")
    confirm = dialog.get_by_role("button", name="确认")
    await expect(confirm).to_be_disabled()
    await expect(dialog.locator("textarea")).to_be_focused()
    for pressed in ("Enter", "Control+Enter", "Space", "Control+Enter"):  # nothing of it is a reason
        await page.keyboard.press(pressed)
    await expect(confirm).to_be_disabled()
    assert console.get(key).review_state == "claimed"
    await page.keyboard.type("已电话核实")
    await expect(confirm).to_be_enabled()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".message")).to_have_text("已批准并发出。")
    (decision,) = console.desk.history(console.reviewer("谨慎"), f"instructions/{key}")
    assert (decision.action, decision.reason) == ("approved", "已电话核实")


async def test_an_edit_with_an_error_wants_a_reason(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="兰亭村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("兰亭村"),)))
    page = await visitors.sign_in("改错", "reviewer")
    await take(page, "兰亭村")
    await (await begin_editing(page)).fill("派99辆消防车至火星基地")
    await expect(page.locator(".checks .check.error").first).to_be_visible()
    await page.keyboard.press("Control+Enter")
    dialog = page.locator("dialog.reason")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert console.get(key).review_state == "claimed"


async def test_a_decision_is_undone_by_second_review_and_another_person_decides(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="松坪村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("松坪村"),)))
    first = await visitors.sign_in("初审", "reviewer")
    await take(first, "松坪村")
    await first.keyboard.press("a")
    await expect(first.locator(".message")).to_have_text("已批准并发出。")

    supervisor = await visitors.sign_in("主管", "supervisor")
    await visitors.open(supervisor, f"/review/{key}")
    await supervisor.keyboard.press("u")
    await expect(supervisor.locator("dialog.reason textarea")).to_be_focused()
    await supervisor.keyboard.type("水位有变,请复审")
    await supervisor.keyboard.press("Control+Enter")
    await expect(supervisor.locator(".message")).to_have_text("已退回复审。")
    assert console.get(key).review_state == "pending"

    await visitors.open(first, f"/review/{key}?take=1")
    await expect(first.locator(".message")).to_have_text("它已退回复审,须由你以外的人领取。")
    assert console.get(key).claimed_by == ""

    second = await visitors.sign_in("复审", "reviewer")
    await visitors.open(second, f"/review/{key}?take=1")
    await expect(second.locator(".history")).to_contain_text("水位有变,请复审")
    await second.keyboard.press("r")
    await expect(second.locator("dialog.reason textarea")).to_be_focused()
    await second.keyboard.type("改派上游分队")
    await second.keyboard.press("Control+Enter")
    await expect(second.locator(".message")).to_have_text("已驳回。")
    assert console.get(key).review_state == "rejected"


async def test_what_is_decided_is_looked_at_from_the_queue_without_a_complaint(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="已决村洪水,水深1.5米,被困16人"))
    reviewer, name = console.reviewer("已决"), f"instructions/{key}"
    console.desk.reject(reviewer, name, etag=console.desk.claim(reviewer, name).etag, reason="重复")
    page = await visitors.sign_in("回看", "reviewer")
    await visitors.open(page, f"/review/{key}?take=1")
    await expect(page.locator(".holder")).to_have_text("已驳回")
    await expect(page.locator(".message")).to_be_empty()


async def test_a_candidate_is_taken_by_its_number(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="桃源村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("桃源村"),)))
    page = await visitors.sign_in("候选", "reviewer")
    await take(page, "桃源村")
    second = console.get(key).candidates[1]["text"]
    await page.keyboard.press("2")
    await expect(page.locator(".editor textarea")).to_have_value(second)
    for _ in range(20):  # twice, neither at once nor too late: a busy machine may take several
        await page.keyboard.press("Escape")
        await page.wait_for_timeout(700)
        if await page.locator(".editor").is_hidden():
            break
    await expect(page.locator(".editor")).to_be_hidden()


async def test_the_draft_is_shaded_by_what_the_network_thought_of_it(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft())
    page = await visitors.sign_in("底色", "auditor")
    await visitors.open(page, f"/review/{key}")
    shaded = page.locator(".draft [class*=shade-]")
    await expect(shaded.first).to_have_attribute("title", re.compile("概率 [0-9.]+%"))
    assert "".join(await page.locator(".draft .part").all_inner_texts()) == console.get(key).instruction


async def test_the_incident_shows_what_it_has_already(console: RunningConsole, visitors: Visitors) -> None:
    first, second = console.add(Draft(incident_id="大堤"), Draft(report="再报:20人被困", incident_id="大堤"))
    page = await visitors.sign_in("事件", "reviewer")
    await visitors.open(page, f"/review/{second}")
    await expect(page.locator("ol.incident li")).to_have_count(1)
    await expect(page.locator("ol.incident")).to_contain_text(console.get(first).instruction)


async def test_keys_move_through_the_queue_and_can_be_turned_off(console: RunningConsole, visitors: Visitors) -> None:
    console.add(*(Draft(report=f"荷塘村第{number}组洪水,水深1.5米,被困16人") for number in (1, 2, 3)))
    page = await visitors.sign_in("翻页", "reviewer")
    await page.locator("input[type=search]").fill("荷塘村")
    rows = page.locator("a.row")
    await expect(rows).to_have_count(3)
    await page.keyboard.press("Escape")
    for pressed, at in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        await page.keyboard.press(pressed)
        await expect(rows.nth(at)).to_be_focused()
    await page.keyboard.press("?")
    help_dialog = page.locator("dialog.help")
    await expect(help_dialog).to_be_visible()
    await help_dialog.get_by_role("checkbox").check()
    await page.keyboard.press("Escape")
    await page.keyboard.press("q")
    await page.keyboard.press("k")
    await expect(rows.nth(1)).to_be_focused()


async def test_what_is_typed_right_behind_a_step_is_no_other_step(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="手快村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("手快村"),)))
    page = await visitors.sign_in("手快", "reviewer")
    await take(page, "手快村")
    await page.evaluate(
        """() => ["r", "a", "l", "u"].forEach(key => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { key, bubbles: true })))"""
    )
    await expect(page.locator("dialog.reason")).to_contain_text("驳回")
    await page.wait_for_timeout(1000)
    assert console.get(key).review_state == "claimed"


async def test_the_last_characters_before_a_release_are_released(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="末字村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("末字村"),)))
    page = await visitors.sign_in("末字", "reviewer")
    await take(page, "末字村")
    await begin_editing(page)
    draft = console.get(key).instruction
    await page.evaluate(
        """text => {
            const field = document.querySelector(".editor textarea");
            field.value = text;
            field.dispatchEvent(new InputEvent("input", { bubbles: true }));
            document.querySelector('[data-key="Ctrl+Enter"]').click();
        }""",
        f"{draft},注意安全",
    )
    await expect(page.locator(".message")).to_have_text("修改稿已发出。")
    assert console.get(key).final_text == f"{draft},注意安全"


async def test_what_is_typed_survives_a_reload_until_it_is_dropped_or_one_signs_out(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="草稿村洪水,水深1.5米,16人被困,急需冲锋舟", situations=(flood_at("草稿村"),)))
    page = await visitors.sign_in("草稿", "reviewer")
    field = page.locator(".editor textarea")
    kept = "Object.keys(sessionStorage).filter(key => key.startsWith('dispatch')).length"

    async def edit() -> None:
        await visitors.open(page, f"/review/{key}?take=1")
        await begin_editing(page)

    await edit()
    await field.fill("改到一半")
    await edit()
    await expect(field).to_have_value("改到一半")
    await expect(page.locator(".editor .difference ins")).to_have_text("改到一半")
    await page.keyboard.press("Escape")
    await page.wait_for_timeout(700)  # what is typed right behind a step is no other one
    await page.keyboard.press("Escape")
    await expect(page.locator(".editor")).to_be_hidden()
    await edit()
    await expect(field).to_have_value(console.get(key).instruction)
    await field.fill("改到一半")
    assert await page.evaluate(kept) == 1
    await page.get_by_role("button", name="退出").click()
    await expect(page.locator("#token")).to_be_visible()
    assert await page.evaluate(kept) == 0
