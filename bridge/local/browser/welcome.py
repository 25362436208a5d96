"""A page that has come in: hear what it wants, and hold its call."""

import asyncio
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from bridge.errors import ProtocolError
from bridge.local.browser.call import WebCall
from bridge.local.browser.messages import MAX_FRAME_BYTES, Initiate, InitiateData, read
from bridge.local.browser.page import Page
from bridge.local.browser.studio import Studio
from bridge.local.door import Door

_PATIENCE: Final = 10.0
"""Seconds a page may take to say what it wants, as the bridge's own `first_message_timeout`."""
_HEARTBEAT: Final = 20.0
"""Seconds between WebSocket pings, as the bridge's own."""

_log = structlog.get_logger(__name__)


class Lobby:
    """The pages that call one bridge, and what their calls share."""

    def __init__(self) -> None:
        self._studio = Studio()
        self._pages: set[Page] = set()

    async def welcome(self, request: web.Request, door: Door) -> web.StreamResponse:
        """Serve one page, from the handshake to the hang-up."""
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT, compress=False, max_msg_size=MAX_FRAME_BYTES, autoping=False
        )
        page = Page(socket, request)
        self._pages.add(page)
        try:
            await socket.prepare(request)
            async with page.writing():
                await self._serve(page, door)
        finally:
            self._pages.discard(page)
            page.cut()
        return socket

    async def hang_up(self) -> None:
        """Close what is open, so that pages see a goodbye and not a lost connection."""
        async with asyncio.TaskGroup() as closing:
            for page in list(self._pages):
                closing.create_task(page.say_goodbye(WSCloseCode.GOING_AWAY, "the bridge stops"))

    def close(self) -> None:
        """End the threads, when nobody calls any more."""
        self._studio.close()

    async def _serve(self, page: Page, door: Door) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                about = await _initiated(page)
        except TimeoutError:
            why = "nothing was said: send `initiate`"
            await page.say_goodbye(WSCloseCode.POLICY_VIOLATION, why)
        except ProtocolError as error:
            why = f"the first message is no `initiate` ({error.reason})"
            await page.say_goodbye(WSCloseCode.POLICY_VIOLATION, why)
        else:
            if about is not None:
                call = WebCall(page, door, about, self._studio)
                await call.hold()
                _log.info("call from a page ended", session=call.session_id)


async def _initiated(page: Page) -> InitiateData | None:
    """Wait for the first message; None if the page is gone. Sound that comes before it is lost.

    Raises:
        ProtocolError: it is something else.
    """
    async with aclosing(page.frames()) as frames:
        async for frame in frames:
            if frame.type is WSMsgType.TEXT:
                message = read(frame.data)
                if not isinstance(message, Initiate):
                    raise ProtocolError("not_initiate")
                return message.data
    return None
