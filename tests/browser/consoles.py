"""What tests of the console share: how one calls from Talk, and what must never become markup."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

HOSTILE = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"
"""What a caller, a tool or a file may say."""


def expect(locator: "Locator") -> Any:
    """What is to hold of a part of the page, now or soon."""
    from playwright.async_api import expect as look  # noqa: PLC0415 - only where it is there

    return look(locator)


async def call_begun(page: "Page", console: str) -> None:
    """Open Talk and start a call."""
    await page.goto(console)
    await page.get_by_role("button", name="Start a call").click()
    await expect(page.get_by_role("status").filter(has_text="On the line")).to_be_visible(
        timeout=15_000
    )


async def say(page: "Page", line: str) -> None:
    """Type what the caller says."""
    field = page.get_by_label("What the caller says")
    await field.fill(line)
    await field.press("Enter")


def turn(page: "Page", text: str) -> "Locator":
    """The turn in which somebody says this."""
    return page.get_by_role("article").filter(has_text=text)


async def is_all_text(page: "Page") -> None:
    """Nothing of what others said has become a part of the page."""
    assert await page.evaluate("window.pwned") is None
    assert await page.locator("#app :is(img, script, iframe, object, style)").count() == 0


async def is_accessible(page: "Page") -> None:
    """What axe-core finds by the rules of WCAG 2.2, A and AA, contrast among them."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    problems = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']]}"
        for one in found["violations"]
    ]
    assert not problems, "\n".join(problems)
