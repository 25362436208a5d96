"""A page that is told things and does not read them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from bridge.local.browser.page import Page
from tests.wire import dialled_raw

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def telling(tell: Callable[[Page], None]) -> AsyncIterator[asyncio.Future[float]]:
    """Serve a page that is told something and reads nothing; after how long it is gone."""
    gone: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    now = asyncio.get_running_loop().time

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()  # without heartbeat, which would end it, too
        page = Page(socket, request)
        await socket.prepare(request)
        began = now()
        async with page.writing():
            tell(page)
            async for _ in page.frames():
                pass
        gone.set_result(now() - began)
        return socket

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        place: Any = SimpleNamespace(port=runner.addresses[0][1])
        async with dialled_raw(place, path="/", window=4096):
            yield gone
    finally:
        await runner.cleanup()


async def test_it_is_cut_off_when_a_message_stays_unread() -> None:
    def tell(page: Page) -> None:
        for _ in range(400):
            page.play(bytes(64_000))

    async with telling(tell) as gone:
        assert await gone == pytest.approx(5.0, abs=0.5)


async def test_it_is_cut_off_when_it_lags_behind_too_far() -> None:
    def tell(page: Page) -> None:
        for number in range(600):
            page.tell("pong", str(number))

    async with telling(tell) as gone:
        assert await gone < 1.0
