"""A call with the real SDK in a page, as a test holds it (page/talk.js)."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

PATIENCE = 15.0
"""Seconds a test waits for something to happen in the page."""
TRIES = 3
"""About one cold start in thirty has no `onready`: the SDK's audio worklet dies, and only a new
client helps."""


@dataclass
class Talk:
    """One client of the SDK."""

    page: "Page"

    async def of(self, name: str) -> list[dict[str, Any]]:
        """What a callback was given, each time."""
        found: list[dict[str, Any]] = await self.page.evaluate(f"talk.of('{name}')")
        return found

    async def names(self) -> list[str]:
        """The callbacks in order, with those that repeat named once."""
        names: list[str] = await self.page.evaluate("talk.events.map((event) => event.name)")
        return list(dict.fromkeys(names))

    async def until(self, name: str, times: int = 1) -> dict[str, Any]:
        """Wait until a callback has fired that often; what it was given last."""
        await self.true(f"talk.of('{name}').length >= {times}")
        return (await self.of(name))[times - 1]

    async def true(self, expression: str, seconds: float = PATIENCE) -> None:
        """Wait until something holds in the page."""
        await self.page.wait_for_function(expression, timeout=seconds * 1000, polling=20)

    async def value(self, expression: str) -> Any:
        return await self.page.evaluate(expression)


async def opened(page: "Page", talk_page: str, bridge: str, path: str = "/local/millis") -> Talk:
    """Open the page with a client that calls nobody yet. `bridge`: HOST:PORT."""
    await page.goto(f"{talk_page}?bridge={bridge}")
    await page.evaluate(f"window.talk = new Talk('{path}')")
    return Talk(page)


async def started(page: "Page", talk_page: str, bridge: str, start: str = "") -> Talk:
    """Open the page, and call until the client is ready. `start`: arguments of Talk.start."""
    from playwright.async_api import TimeoutError as TooLate  # noqa: PLC0415 - see conftest

    for _ in range(TRIES):
        talk = await opened(page, talk_page, bridge)
        await page.evaluate(f"talk.start({start})")
        with suppress(TooLate):
            await page.wait_for_function("talk.of('onready').length", timeout=5000)
            return talk
    raise AssertionError("the SDK was never ready")
