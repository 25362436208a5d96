"""Calls and Agent, in a real browser: timelines, replay, what does not load; all of it text."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bridge.app import Bridge
from tests.browser.consoles import HOSTILE, expect, is_accessible, is_all_text, turn
from tests.wire import bridge_running, dialled, write_tool

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOMS = f'''
@tool
def book_room(room: str) -> str:
    """Book a room {HOSTILE}"""
    raise ToolError({HOSTILE!r} + room)
'''


@pytest_asyncio.fixture(loop_scope="session")
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge that keeps a record; the console's is this one, too."""
    database = f"sqlite:///{tmp_path}/calls.db"
    async with bridge_running(
        tmp_path, model="demo", record="full", database_url=database, spool_dir=tmp_path / "spool"
    ) as one:
        yield one


async def a_call(bridge: Bridge, session: str = "s") -> None:
    """A call in which a tool fails and the caller speaks over an answer; all of it hostile."""
    async with dialled(bridge) as millis:
        about = {"agent_id": HOSTILE, "call_sid": HOSTILE, "voip": {"from": HOSTILE, "to": HOSTILE}}
        await millis.start(0, session, metadata={"user_id": HOSTILE, HOSTILE: HOSTILE}, **about)
        greeting = await millis.answer(0)
        line = f"book room {HOSTILE}"
        said = await millis.asked(1, greeting, line)
        await millis.interrupt(1)
        await millis.asked(2, line, said[:10], f"wait {HOSTILE}")


async def test_a_calls_timeline_shows_tools_cuts_and_waits_and_can_be_replayed(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    await bridge.tools.reload()
    await page.goto(f"{console}#/calls")
    await expect(page.get_by_text("No calls on record yet")).to_be_visible()
    await a_call(bridge)
    await page.get_by_role("link", name="s", exact=True).click()  # it has come by itself
    await expect(page.get_by_role("img", name="Timeline: 3 turns")).to_be_visible()
    asked = turn(page, "book room")
    await expect(asked.locator("details.tool")).to_contain_text("failed")
    await expect(asked.locator("del.cut")).not_to_be_empty()
    await expect(asked.locator(".steps")).to_contain_text("first frame")
    await expect(page.get_by_role("article")).to_have_count(3)
    moment = page.get_by_role("slider", name="Moment")
    await moment.fill("0")
    await expect(page.get_by_role("article")).not_to_have_count(3)
    await page.get_by_label("Speed").select_option("8")
    await page.get_by_role("button", name="Replay").click()
    await expect(page.get_by_role("article")).to_have_count(3)
    await is_accessible(page)


async def test_what_came_from_outside_stays_text_on_every_page(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    (tmp_path / "tools" / "broken.py").write_text(f"raise ValueError({HOSTILE!r})")
    (tmp_path / "prompts" / "greeting.md").write_text(HOSTILE + "{{ metadata.name }}")
    for shelf in (bridge.tools, bridge.prompts):
        await shelf.reload()
    await a_call(bridge, HOSTILE)
    await page.goto(f"{console}#/calls")
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    await page.get_by_text("Metadata", exact=True).click()
    await expect(page.get_by_label("Metadata")).to_contain_text(HOSTILE)
    await is_all_text(page)
    await page.goto(f"{console}#/agent/tools")
    await expect(page.get_by_label("Not loaded")).to_contain_text("ValueError")
    await expect(page.locator(".last-error")).to_contain_text(HOSTILE)
    await is_all_text(page)
    await page.goto(f"{console}#/agent/prompts")
    await page.get_by_label("Metadata, as JSON").fill('{"name": "<img src=y>"}')
    await expect(turn(page, "greeting").first).to_contain_text("<img src=y>")
    await is_all_text(page)
    await page.goto(f"{console}#/agent/doctor")
    await expect(page.get_by_role("listitem").filter(has_text="ValueError").last).to_be_visible()
    await is_all_text(page)


async def test_a_tool_file_that_breaks_appears_by_itself_and_goes_when_it_is_mended(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    path = write_tool(tmp_path, "rooms", ROOMS)
    await bridge.tools.reload()
    good = path.read_text()
    await page.goto(f"{console}#/agent")
    await expect(page.get_by_role("article", name="book_room")).to_be_visible()
    path.write_text("this is no Python")
    broken = page.get_by_label("Not loaded")
    await expect(broken).to_contain_text("tools/rooms.py:1")
    await expect(broken).to_contain_text("last good version")
    await expect(page.get_by_text("file broken, old version in use")).to_be_visible()
    await is_accessible(page)
    path.write_text(good)
    await expect(broken).to_have_count(0)


@pytest.mark.parametrize(("width", "colours"), [(380, "light"), (1200, "dark")])
async def test_every_page_has_contrast_and_fits_the_screen(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path, colours: str, width: int
) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    await bridge.tools.reload()
    await a_call(bridge)
    await page.set_viewport_size({"width": width, "height": 760})
    await page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    for place in ("talk", "calls", "calls/s", "agent/tools", "agent/prompts", "agent/settings"):
        await page.goto(f"{console}#/{place}")
        await expect(page.locator("main button, main article, main table").first).to_be_visible()
        await is_accessible(page)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide), f"{place} is wider than the screen"


async def test_the_keyboard_is_enough(page: "Page", console: str) -> None:
    await page.goto(console)
    await expect(page.get_by_role("button", name="Start a call")).to_be_enabled()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No calls on record yet")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation", name="Parts of the agent")).to_be_visible()


async def test_with_a_token_one_logs_in_and_out(page: "Page", tmp_path: Path, console: str) -> None:
    folder = tmp_path / "guarded"
    folder.mkdir()
    async with bridge_running(folder, model="demo", console_token=("canary-token",)) as guarded:
        await page.goto(f"http://127.0.0.1:{guarded.port}/console/")
        await page.get_by_label("Console token").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("no token")
        await page.get_by_label("Console token").fill("canary-token")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("button", name="Start a call")).to_be_enabled()
        assert "bridge_console" not in await page.evaluate("document.cookie")
        await page.get_by_role("button", name="log out").click()
        await expect(page.get_by_label("Console token")).to_be_visible()
