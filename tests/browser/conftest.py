"""One Chromium for all tests of a worker; a page and a bridge for each.

Tests here run on the loop that the browser is driven from: mark their modules with
`pytestmark = pytest.mark.asyncio(loop_scope="session")`.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bridge.app import Bridge
from bridge.server.console.files import BUILT
from tests.browser import browsing
from tests.wire import bridge_running

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Playwright


def require(there: bool, reason: str) -> None:
    """Skip without what is needed; with BRIDGE_REQUIRE_BROWSER, fail."""
    if there:
        return
    if os.environ.get("BRIDGE_REQUIRE_BROWSER"):
        pytest.fail(f"BRIDGE_REQUIRE_BROWSER is set, and {reason}")
    pytest.skip(reason)


def _require_browser(*, sdk: bool = False) -> None:
    reason = browsing.missing(sdk=sdk)
    require(reason is None, reason or "")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> "AsyncIterator[Playwright]":
    """The driver of browsers."""
    _require_browser()
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only where it is there

    async with async_playwright() as driver:
        yield driver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(
    playwright: "Playwright", tmp_path_factory: pytest.TempPathFactory
) -> "AsyncIterator[Browser]":
    """A Chromium whose microphone hears nothing."""
    wav = tmp_path_factory.mktemp("microphone") / "silence.wav"
    async with browsing.launched(playwright, browsing.write_wav(wav, browsing.silence(1))) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: "Browser") -> "AsyncIterator[Page]":
    """An empty page of a person of its own; a script of it that fails, fails the test."""
    context = await browser.new_context()
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    await context.close()
    assert errors == []


@pytest_asyncio.fixture(loop_scope="session")
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge with the demo model; its tools/ and prompts/ are in the test's `tmp_path`."""
    async with bridge_running(tmp_path, model="demo") as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def talk_page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Address of a page with the real SDK; `?bridge=HOST:PORT` says whom it calls."""
    _require_browser(sdk=True)
    bundle = browsing.packed(tmp_path_factory.mktemp("page"))
    async with browsing.page_served(bundle) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def console(bridge: Bridge) -> str:
    """Address of the console of the test's bridge."""
    if not (BUILT / "index.html").exists():
        reason = "the console is not built: make console"
        if os.environ.get("BRIDGE_REQUIRE_BROWSER"):
            pytest.fail(f"BRIDGE_REQUIRE_BROWSER is set, and {reason}")
        pytest.skip(reason)
    return f"http://127.0.0.1:{bridge.port}/console/"
