"""Talk, in a real browser: one types, words come, tools run, and what was cut is seen."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.app import Bridge
from tests.browser.consoles import (
    HOSTILE,
    call_begun,
    expect,
    is_accessible,
    is_all_text,
    say,
    turn,
)
from tests.wire import write_tool

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOMS = '''
import asyncio
from pathlib import Path

@tool
async def book_room(room: int) -> str:
    """Book a room."""
    while not Path(__file__).with_name("go").exists():
        await asyncio.sleep(0.01)
    return f"Room {room} is booked."
'''


async def test_one_types_and_sees_words_a_tool_and_how_long_it_took(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    await bridge.tools.reload()
    await call_begun(page, console)
    await expect(turn(page, "Hello, how can I help you?")).to_be_visible()
    await say(page, "book room 12")
    tool = turn(page, "book room 12").locator("details.tool")
    await expect(tool).to_contain_text("book_room")
    await expect(tool).to_contain_text("room 12")
    await expect(tool).to_contain_text("running")
    (tmp_path / "tools" / "go").touch()
    await expect(tool).to_contain_text("Room 12 is booked.")
    answer = turn(page, "book room 12").locator(".agent .words")
    await expect(answer).to_contain_text("Room 12 is booked.")
    steps = turn(page, "book room 12").locator(".steps")
    for step in ("partial", "request", "first token", "first frame", "playback"):
        await expect(steps).to_contain_text(step)
    await is_accessible(page)
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("status").filter(has_text="Hung up")).to_be_visible()


@pytest.mark.parametrize("how", ["button", "key"])
async def test_an_interrupt_cuts_the_answer_and_shows_where(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path, how: str
) -> None:
    words = " ".join(f"word{number}" for number in range(200))
    (tmp_path / "prompts" / "greeting.md").write_text(f"One two three four {words}.")
    await bridge.prompts.reload()
    await call_begun(page, console)
    await expect(page.get_by_text("One two three four")).to_be_visible()
    if how == "button":
        await page.get_by_role("button", name="Interrupt").click()
    else:
        await page.keyboard.press("Escape")
    cut = page.locator("del.cut")
    await expect(cut).to_contain_text("word199.")
    await say(page, "hello")
    await expect(turn(page, "hello").locator(".agent .words")).not_to_be_empty()


async def test_who_answers_and_what_is_passed_along_are_chosen(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    (tmp_path / "prompts" / "greeting.md").write_text("Hello {{ metadata.name }}.")
    await bridge.prompts.reload()
    await page.goto(console)
    editor = page.get_by_label("Metadata, as JSON")
    await editor.fill("[1]")
    await expect(page.get_by_text("Write an object")).to_be_visible()
    await editor.fill('{"name": "Ada"}')
    await expect(page.get_by_label("Persona")).to_have_value("default")
    await page.get_by_role("button", name="Start a call").click()
    await expect(turn(page, "Hello Ada.")).to_be_visible(timeout=15_000)


async def test_what_caller_and_tool_say_stays_text(
    page: "Page", console: str, bridge: Bridge, tmp_path: Path
) -> None:
    body = (
        f'@tool\ndef book_room(room: str) -> str:\n    """Book."""\n    return {HOSTILE!r} + room'
    )
    write_tool(tmp_path, "rooms", body)
    await bridge.tools.reload()
    await call_begun(page, console)
    await say(page, f"book room {HOSTILE}")
    await expect(page.locator("details.tool")).to_contain_text(HOSTILE)
    await expect(page.get_by_role("article").last.locator(".caller")).to_contain_text(HOSTILE)
    await page.locator("details.tool summary").click()
    await is_all_text(page)
