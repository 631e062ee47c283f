"""A console in this process and a real Chromium, shared by the tests of a worker; each test has visitors of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.browsing import Visitors, chromium, close
from tests.e2e.running import RunningConsole, running_console


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[RunningConsole]:
    """NiceGUI has one for a process, so tests share it: each makes items and people of its own."""
    with running_console(tmp_path_factory.mktemp("console"), tiny_bundle) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests run in the browser's event loop."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium; Debian and Ubuntu have it in the package chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await close(browser)


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, console: RunningConsole) -> AsyncIterator[Visitors]:
    """People with browsers of their own. At the end none of them may have met an error or a foreign address."""
    visitors = Visitors(browser, console)
    yield visitors
    await visitors.leave()
    assert visitors.problems == []
