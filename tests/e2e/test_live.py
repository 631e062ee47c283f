"""A real `dispatch serve --console`: signed in to with a token of the command line, under calls."""

import asyncio
import re
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import grpc
import httpx
import pytest
import trustme
from playwright.async_api import Browser, expect

from dispatch.store import Store, Tokens, scopes_of
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from tests.e2e.browsing import PATIENCE_MS, begin_editing, live
from tests.e2e.rows import Draft, drafted
from tests.integration.service import PATIENCE_S, Service, ServiceConfig, serving

CALLERS = 8


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dispatch.db"


@pytest.fixture
def secret(database: Path) -> str:
    """Of a supervisor; made before the server starts, since one process alone writes to SQLite."""
    store = Store.open(f"sqlite:///{database}")
    secret, _ = Tokens(store.database).create("主管", scopes_of(["supervisor"], []))
    store.close()
    return secret


@pytest.fixture
def service(database: Path, secret: str, tiny_bundle: Path, tmp_path: Path) -> Iterator[Service]:
    settings = {"DISPATCH_CONSOLE": "127.0.0.1:0"}
    with serving(ServiceConfig(tiny_bundle, f"sqlite:///{database}", tmp_path, settings)) as running:
        yield running


def console_of(service: Service) -> str:
    """The address that the server has announced."""
    said = re.search(r"^console at (\S+)$", service.log.read_text(encoding="utf-8"), re.M)
    assert said
    return said[1]


def call_until(address: str, stop: Event) -> int:
    """Sends one report after the other; gives how many were answered."""
    answered = 0
    with grpc.insecure_channel(address) as channel:
        stub = DispatchServiceStub(channel)
        while not stop.is_set():
            stub.GenerateInstruction(GenerateInstructionRequest(report="B村洪水,3人被困"), timeout=PATIENCE_S)
            answered += 1
    return answered


async def test_the_queue_stays_live_while_calls_arrive(service: Service, browser: Browser, secret: str) -> None:
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(console_of(service))
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await live(page)
    stop = Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call_until, service.address, stop) for _ in range(CALLERS)]
        try:
            await expect(page.locator("a.row")).to_have_count(50)
            await page.locator("input[type=search]").fill("没有这样的报文")
            await expect(page.locator("a.row")).to_have_count(0)
            await page.locator("input[type=search]").fill("")
            await expect(page.locator("a.row")).to_have_count(50)
            await page.keyboard.press("Escape")
            await page.keyboard.press("j")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="驳回")).to_be_visible()
        finally:
            stop.set()
        answered = sum([await asyncio.wrap_future(call) for call in calls])
    assert answered > 50


async def test_a_report_is_merged_into_the_incident_of_another_by_key(
    service: Service, browser: Browser, secret: str
) -> None:
    calls = [
        GenerateInstructionRequest(report="柳溪村洪水,水深1.5米,16人被困,电话13700001111", incident_id="liuxi-1"),
        GenerateInstructionRequest(report="河边涨水了,我是刚才那个,13700001111"),
    ]
    with grpc.insecure_channel(service.address) as channel:
        stub = DispatchServiceStub(channel)
        answers = [stub.GenerateInstruction(call, timeout=PATIENCE_S) for call in calls]
    key = answers[1].name.removeprefix("instructions/")
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(console_of(service))
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await expect(page.locator("a.row")).to_have_count(2)
    await page.goto(f"{console_of(service)}/review/{key}")
    await expect(page.locator("section", has_text="可能属于同一事件的报文")).to_contain_text("liuxi-1")
    await page.keyboard.press("m")
    await expect(page.locator(".message")).to_have_text("已合并,这是重拟的草稿。")
    await expect(page.get_by_role("heading", name="同一事件的其他指令(liuxi-1)")).to_be_visible()
    await expect(page.locator(".holder")).to_contain_text("由你处理")
    assert key not in page.url
    await page.goto(f"{console_of(service)}/review/{key}")
    await expect(page.locator(".holder")).to_have_text("已被取代")


async def test_the_server_stops_in_order_while_somebody_looks(
    service: Service, browser: Browser, secret: str, database: Path
) -> None:
    page = await browser.new_page()
    await page.goto(console_of(service))
    await page.locator("#token").fill(secret)
    await page.keyboard.press("Enter")
    await live(page)
    assert await asyncio.to_thread(service.terminate) == 0
    assert "Traceback" not in service.log.read_text(encoding="utf-8")
    with sqlite3.connect(database) as connection:
        actions = [action for (action,) in connection.execute("SELECT action FROM audit_events ORDER BY seq")]
    connection.close()
    assert actions[-1] == "session.opened"


async def test_after_a_crash_one_signs_in_again_and_what_was_typed_is_still_there(
    database: Path, secret: str, tiny_bundle: Path, tmp_path: Path, browser: Browser
) -> None:
    store = Store.open(f"sqlite:///{database}")
    key = store.save(drafted(Draft(report="重启村洪水,水深1.5米,被困16人"))).name.removeprefix("instructions/")
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = ServiceConfig(tiny_bundle, f"sqlite:///{database}", tmp_path, {"DISPATCH_CONSOLE": f"127.0.0.1:{port}"})
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)

    async def take() -> None:
        await page.locator("#token").fill(secret)
        await page.keyboard.press("Enter")
        await expect(page.locator("a.row")).to_have_count(1)
        await page.goto(f"http://127.0.0.1:{port}/review/{key}?take=1")
        await live(page)
        await begin_editing(page)

    with serving(config):
        await page.goto(f"http://127.0.0.1:{port}")
        await take()
        await page.keyboard.press("Control+End")
        await page.keyboard.type(",注意余震")
        typed = await page.locator(".editor textarea").input_value()
    with serving(config):
        await take()  # the page has left for the sign-in by itself
        await expect(page.locator(".editor textarea")).to_have_value(typed)
        await expect(page.locator(".editor .difference ins")).to_have_text(",注意余震")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".message")).to_have_text("修改稿已发出。")
        assert await page.evaluate("Object.keys(sessionStorage).filter(key => key.startsWith('dispatch'))") == []


async def test_over_tls_the_session_belongs_to_the_host_alone(
    database: Path, secret: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    settings = {
        "DISPATCH_CONSOLE": "127.0.0.1:0",
        "DISPATCH_TLS_CERTIFICATE": str(certificate),
        "DISPATCH_TLS_KEY": str(key),
    }
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(ServiceConfig(tiny_bundle, f"sqlite:///{database}", tmp_path, settings)) as service:
        url = console_of(service)
        assert url.startswith("https://")
        async with httpx.AsyncClient(verify=trusting, base_url=url, timeout=PATIENCE_S) as client:
            answer = await client.post("/sign-in", data={"token": secret}, headers={"Origin": url})
    assert answer.status_code == 303
    assert answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-dispatch=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
