"""Attacks on each page: stored scripts, requests from other sites, fixed sessions, other people's pages and roles."""

from dataclasses import replace

import httpx
import pytest
import socketio
from nicegui import core
from playwright.async_api import Page, expect
from starlette.routing import Mount, Route

from dispatch.console.guard import NEEDS, PUBLIC
from dispatch.domain import Check, Context, Situation
from dispatch.store import Tokens
from tests.e2e.browsing import Visitors, begin_editing, live
from tests.e2e.rows import Draft, drafted
from tests.e2e.running import RunningConsole
from tests.e2e.test_pages import PAGES

SCRIPT = "<img src=x onerror=\"window.hacked='img'\"><script>window.hacked='script'</script>"
BREAKOUT = "`${window.hacked='template'}`</script>'\"><svg onload=\"window.hacked='svg'\">{{window.hacked=1}}"
HOSTILE = SCRIPT + BREAKOUT


async def assert_nothing_ran(page: Page) -> None:
    await page.wait_for_timeout(1000)
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("img[src=x], svg[onload]").count() == 0


@pytest.fixture
def hostile(console: RunningConsole) -> str:
    """The ID of an item that has a script in each text that somebody from outside can send, and in its decisions."""
    situation = Situation(location=HOSTILE, hazards=("flood",))
    draft = Draft(f"救命{HOSTILE}", (situation,), f"派1艘冲锋舟至{HOSTILE}", HOSTILE, context=Context(HOSTILE))
    record = replace(drafted(draft), model=console.model.to_dict(), request_id="")
    check = Check(SCRIPT, "warning", HOSTILE, "report", 0, 2).to_dict()
    stored = console.store.save(replace(record, checks=[*record.checks, check], priority="特急"))
    attacker = replace(console.reviewer("x"), name=SCRIPT)
    etag = console.desk.claim(attacker, stored.name).etag
    console.desk.return_for_review(attacker, stored.name, etag=etag, reason=HOSTILE)
    return stored.name.removeprefix("instructions/")


async def test_a_stored_script_is_shown_as_text(visitors: Visitors, hostile: str) -> None:
    page = await visitors.sign_in("<b onclick=alert(1)>", "supervisor")
    for path in PAGES:
        await visitors.open(page, path.format(hostile))
        await assert_nothing_ran(page)
        await expect(page.locator(".who")).to_contain_text("<b onclick")


async def test_a_stored_script_does_not_run_while_it_is_edited(
    console: RunningConsole, visitors: Visitors, hostile: str
) -> None:
    page = await visitors.sign_in("编辑", "reviewer")
    await visitors.open(page, f"/review/{hostile}?take=1")
    await expect(page.locator(".report")).to_contain_text(SCRIPT)
    await (await begin_editing(page)).fill(f"改{HOSTILE}")
    await expect(page.locator(".editor .difference ins").first).to_have_text("改")
    await assert_nothing_ran(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator(".editor")).to_be_hidden()
    await page.wait_for_timeout(700)  # what is typed right behind a step is no other one
    await page.keyboard.press("r")
    await expect(page.locator("dialog.reason")).to_be_visible()
    await assert_nothing_ran(page)


async def test_an_address_with_a_script_is_no_way_in(console: RunningConsole, visitors: Visitors) -> None:
    page = await visitors.sign_in("地址", "supervisor")
    for path in (f"/audit?subject={HOSTILE}", f"/sign-in?language={HOSTILE}", f"/review/x{HOSTILE}?take={HOSTILE}"):
        await page.goto(console.url + path)
        await assert_nothing_ran(page)


async def cookie_of(page: Page) -> str:
    (cookie,) = [cookie for cookie in await page.context.cookies() if cookie["name"] == "dispatch"]
    return cookie["value"]


async def test_the_session_is_out_of_reach_of_scripts_and_of_other_sites(visitors: Visitors) -> None:
    page = await visitors.sign_in("饼干", "reviewer")
    (cookie,) = [cookie for cookie in await page.context.cookies() if cookie["name"] == "dispatch"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["expires"] == -1
    assert "dispatch" not in await page.evaluate("document.cookie")
    assert cookie["value"] not in await page.content()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_of_another_site_changes_nothing(console: RunningConsole, visitors: Visitors, path: str) -> None:
    page = await visitors.sign_in("跨站", "reviewer")
    headers = {"Cookie": f"dispatch={await cookie_of(page)}", "Origin": "https://evil.test"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(console.url + path, headers=headers, data={"token": "x"})
    assert answer.status_code == 403
    await visitors.open(page, "/")
    await expect(page.locator("ol.queue")).to_be_attached()


async def connect(console: RunningConsole, cookie: str, origin: str, query: dict[str, str]) -> socketio.AsyncClient:
    """A socket as a page would open it. Raises ConnectionError where it is refused."""
    client = socketio.AsyncClient(reconnection=False)
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    headers = {"Origin": origin} | ({"Cookie": f"dispatch={cookie}"} if cookie else {})
    try:
        await client.connect(
            f"{console.url}?{asked}", headers, transports=["websocket"], socketio_path="/_nicegui_ws/socket.io"
        )
    except BaseException:
        await client.disconnect()
        raise
    return client


async def test_a_socket_needs_a_session_and_a_page_of_the_console_itself(
    console: RunningConsole, visitors: Visitors
) -> None:
    page = await visitors.sign_in("插座", "reviewer")
    cookie = await cookie_of(page)
    for shown, origin in ((cookie, "https://evil.test"), (cookie, ""), ("", console.url), ("made-up", console.url)):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await connect(console, shown, origin, {})
    client = await connect(console, cookie, console.url, {})
    await client.disconnect()


async def test_nobody_speaks_for_another_persons_page(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="别人页面的村子洪水,水深1.5米,被困16人"))
    victim = await visitors.sign_in("受害", "reviewer")
    await visitors.open(victim, f"/review/{key}")
    known = await victim.evaluate("window.clientId")
    button = victim.locator('[data-key="Enter"]')
    number = int((await button.get_attribute("id") or "").removeprefix("c"))
    page = await visitors.sign_in("攻击", "auditor")
    cookie = await cookie_of(page)
    implicit = {"implicit_handshake": "true", "tab_id": "t", "document_id": "d"}
    for named in ({"client_id": known, **implicit}, {"client_id": known}):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await connect(console, cookie, console.url, named)
    client = await connect(console, cookie, console.url, {})
    handshake = {"client_id": known, "tab_id": "t", "document_id": "d", "next_message_id": 0}
    assert await client.call("handshake", handshake) is False
    for listener in range(200):
        await client.emit("event", {"id": number, "client_id": known, "listener_id": str(listener), "args": []})
    await client.disconnect()
    assert console.get(key).review_state == "pending"


async def test_a_session_that_somebody_else_has_chosen_is_never_taken_up(
    console: RunningConsole, visitors: Visitors
) -> None:
    page = await visitors.arrive()
    await page.context.add_cookies([{"name": "dispatch", "value": "chosen", "url": console.url}])
    await page.goto(console.url)
    await page.locator("#token").fill(console.token("固定", "reviewer"))
    await page.keyboard.press("Enter")
    await live(page)
    first = await cookie_of(page)
    assert first != "chosen"
    assert console.sessions.find("chosen") is None

    headers = {"Cookie": f"dispatch={first}", "Origin": console.url}
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            console.url + "/sign-in", headers=headers, data={"token": console.token("固定", "reviewer")}
        )
    assert answer.status_code == 303
    assert console.sessions.find(first) is None


async def test_signing_out_ends_every_page_of_the_session(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="退出的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("退出", "reviewer")
    other = await page.context.new_page()
    await visitors.open(other, f"/review/{key}")
    cookie = await cookie_of(page)
    await page.get_by_role("button", name="退出").click()
    await expect(page.locator("#token")).to_be_visible()
    assert console.sessions.find(cookie) is None
    await other.keyboard.press("Enter")
    await other.wait_for_timeout(1000)
    assert console.get(key).review_state == "pending"


async def test_a_revoked_token_can_do_nothing_more_in_a_page_that_is_open(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="撤销的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("撤销", "reviewer")
    await visitors.open(page, f"/review/{key}")
    tokens = Tokens(console.store.database)
    (token,) = [token for token in tokens.list() if token.principal == "撤销"]
    tokens.revoke(token.id)
    await page.keyboard.press("Enter")
    await expect(page.locator("#token")).to_be_visible()
    assert console.get(key).review_state == "pending"


@pytest.mark.parametrize("end", ["revoked", "signed out elsewhere", "too long ago"])
async def test_pages_that_are_left_open_end_with_their_session_untouched(
    console: RunningConsole, visitors: Visitors, end: str
) -> None:
    (key,) = console.add(Draft())
    page = await visitors.sign_in(end, "supervisor")
    pages = [await page.context.new_page() for _ in PAGES]
    for each, path in zip(pages, PAGES, strict=True):
        await visitors.open(each, path.format(key))
    session = console.sessions.find(await cookie_of(page))
    assert session is not None
    if end == "revoked":
        Tokens(console.store.database).revoke(session.token_id)
    elif end == "signed out elsewhere":
        console.sessions.close(session)
    else:
        session.ends_at = 0.0
    for each in pages:
        await expect(each.locator("#token")).to_be_visible()


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("reviewer", {"review", "read"}),
        ("auditor", {"audit", "read"}),
        ("supervisor", {"review", "supervise", "audit"}),
    ],
)
async def test_a_page_is_shown_to_its_roles_alone(
    console: RunningConsole, visitors: Visitors, role: str, scopes: set[str]
) -> None:
    (key,) = console.add(Draft())
    page = await visitors.sign_in(f"角色{role}", role)
    for path in PAGES:
        answer = await page.goto(console.url + path.format(key))
        assert answer is not None
        needs = NEEDS[path.removesuffix("{}")]
        assert answer.status == (200 if needs & scopes else 403), path
        if not needs & scopes:
            assert key not in await page.content()


@pytest.mark.parametrize("scopes", [("supervise",), ("audit",), ("review",)])
async def test_who_may_sign_in_but_not_read_is_told_so(
    console: RunningConsole, visitors: Visitors, scopes: tuple[str, ...]
) -> None:
    (key,) = console.add(Draft(report="看不到的村子洪水,水深1.5米,被困16人"))
    secret, _ = Tokens(console.store.database).create(f"少权{scopes[0]}", scopes)
    page = await visitors.arrive()
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_have_text("你的令牌缺少权限 read。")
    for path in ("/", f"/review/{key}", f"/attention/{key}"):
        answer = await page.goto(console.url + path)
        assert answer is not None
        assert answer.status == 200
        await expect(page.locator(".message")).to_have_text("你的令牌缺少权限 read。")
        assert "看不到的村子" not in await page.content()


async def test_who_may_not_read_numbers_finds_none_by_searching_and_keeps_the_queue(
    console: RunningConsole, visitors: Visitors
) -> None:
    (key,) = console.add(Draft(report="打码试探洪水,水深1.5米,16人被困,电话13912345678"))
    secret, _ = Tokens(console.store.database).create("试探", ("supervise", "read"))
    page = await visitors.arrive()
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await live(page)
    search = page.locator("input[type=search]")
    await search.fill("13912345678")
    await expect(page.locator(".message")).to_have_text("你的令牌缺少权限 review。")
    await visitors.open(page, "/")
    await expect(search).to_have_value("13912345678")
    await search.fill("")
    await expect(page.locator("a.row").first).to_be_visible()
    await visitors.open(page, f"/review/{key}")
    await expect(page.locator(".report")).to_contain_text("139****5678")
    assert "13912345678" not in await page.content()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_of_another_site_claims_nothing(console: RunningConsole, visitors: Visitors, site: str) -> None:
    (key,) = console.add(Draft(report="外链的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in(f"外链{site}", "reviewer")
    cookie = f"dispatch={await cookie_of(page)}"
    async with httpx.AsyncClient(base_url=console.url) as client:
        answer = await client.get(f"/review/{key}?take=1", headers={"Cookie": cookie, "Sec-Fetch-Site": site})
    assert answer.status_code == 200
    assert console.get(key).review_state == "pending"


@pytest.mark.parametrize("role", ["dispatcher", "operator"])
async def test_tokens_of_programs_do_not_sign_in(console: RunningConsole, visitors: Visitors, role: str) -> None:
    page = await visitors.arrive()
    await page.locator("#token").fill(console.token(f"程序{role}", role))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("此令牌无权使用审核台。")
    assert await page.context.cookies() == []


async def test_an_auditor_has_no_steps_and_cannot_take_any(console: RunningConsole, visitors: Visitors) -> None:
    (key,) = console.add(Draft(report="旁观的村子洪水,水深1.5米,被困16人"))
    page = await visitors.sign_in("旁观", "auditor")
    await visitors.open(page, f"/review/{key}?take=1")
    await expect(page.locator(".steps button:visible")).to_have_count(0)
    ids = await page.locator(".steps button").evaluate_all("all => all.map(each => each.id)")
    await page.evaluate("ids => ids.forEach(id => document.getElementById(id).click())", ids)
    await page.wait_for_timeout(1000)
    assert console.get(key).review_state == "pending"


async def test_contact_numbers_are_masked_in_the_list(console: RunningConsole, visitors: Visitors) -> None:
    console.add(
        Draft(report="打码村洪水,水深1.5米,16人被困,电话13812345678", text="派1艘冲锋舟至打码村,联系13812345678")
    )
    page = await visitors.sign_in("打码", "reviewer")
    await page.locator("input[type=search]").fill("打码村")
    await expect(page.locator("a.row")).to_have_count(1)
    assert "13812345678" not in await page.content()


def test_every_path_of_the_application_is_guarded_or_public(console: RunningConsole) -> None:
    paths = [route.path for route in core.app.routes if isinstance(route, Route | Mount)]
    assert "/review/{key}" in paths
    known = (*NEEDS, *PUBLIC)

    def is_known(path: str) -> bool:
        return any(path == each or (each != "/" and path.startswith(each)) for each in known)

    assert [path for path in paths if not is_known(path) and not is_known(f"{path}/")] == []
