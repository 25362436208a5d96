"""Take the pictures of the console that the README shows: `python docs/screenshots.py`.

A real call to a real bridge with the demo model and the example tools, in a real browser. It needs
the console (`make console`), Playwright (`pip install -e '.[dev]'`) and Chromium; another program
than `chromium` is named by BRIDGE_TEST_CHROMIUM.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from bridge.app import Bridge
from bridge.logs import configure_logs
from bridge.server.console.files import BUILT
from bridge.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1120, "height": 790}
PATIENCE = 20_000
"""Milliseconds that anything may take."""


async def main() -> None:
    """Talk, and take the pictures."""
    if not (BUILT / "index.html").exists():
        sys.exit("the console is not built: make console")
    configure_logs("error", "pretty")
    IMAGES.mkdir(exist_ok=True)
    async with bridge() as port, browser_page() as page:
        await page.goto(f"http://127.0.0.1:{port}/console/")
        await talk(page)
        await shot(page, "talk")
        await page.emulate_media(color_scheme="dark")
        await shot(page, "talk-dark")
        await page.emulate_media(color_scheme="light")
        await page.get_by_role("button", name="Hang up").click()
        await page.get_by_role("link", name="Look at it again").click()
        await expect(page.get_by_text("hung up")).to_be_visible(timeout=PATIENCE)
        await shot(page, "timeline")


@asynccontextmanager
async def bridge() -> AsyncIterator[int]:
    """A bridge with the example tools and prompts, and a record that is thrown away; its port."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            port=0,
            model="demo",
            tools_dir=ROOT / "tools",
            prompts_dir=ROOT / "prompts",
            database_url=f"sqlite:///{folder}/calls.db",
            spool_dir=Path(folder) / "spool",
        )
        async with Bridge(settings) as one:
            yield one.port


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    """An empty page in light colours."""
    program = shutil.which(os.environ.get("BRIDGE_TEST_CHROMIUM", "chromium"))
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=arguments)
        context = await browser.new_context(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        yield page
        await browser.close()


async def talk(page: Page) -> None:
    """A call with tools, a question before a deed, and a caller who speaks over the agent."""
    await page.get_by_label("Metadata, as JSON").fill('{"name": "Ada", "customer_id": "c-1"}')
    await page.get_by_role("button", name="Start a call").click()
    await page.get_by_text("On the line").wait_for()
    await heard(page, "Hello Ada")
    await asyncio.sleep(3)
    await say(page, "When are you open on Saturday?")
    await page.locator("details.tool.ok").wait_for()
    await asyncio.sleep(3)
    await say(page, "Wait. Cancel order 1057, please.")
    await heard(page, "Shall I cancel order 1057?")
    await asyncio.sleep(3)
    await say(page, "Yes")
    await heard(page, "is cancelled")
    await asyncio.sleep(1)


async def say(page: Page, line: str) -> None:
    """Type what the caller says."""
    await page.get_by_label("What the caller says").fill(line)
    await page.keyboard.press("Enter")


async def heard(page: Page, words: str) -> None:
    """Wait for words of the agent's."""
    await page.locator(".agent .words").filter(has_text=words).last.wait_for()


async def shot(page: Page, name: str) -> None:
    """Save what is seen."""
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path)
    sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KiB\n")


if __name__ == "__main__":
    asyncio.run(main())
