"""The socket to one page: messages and sound out, in order, and a goodbye."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from bridge.local.browser.messages import Method, write

_BACKLOG: Final = 512
"""Messages a page may lag behind: those of the longest answer, token by token."""
_PATIENCE: Final = 5.0
"""Seconds a page may leave a message unread, or our goodbye unanswered, as the bridge's socket."""
_MAX_REASON: Final = 120
"""Bytes of a close reason: 123 at most (RFC 6455, 5.5)."""


class Page:
    """One page that calls. Telling it something never waits; a page that does not read is cut."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._transport = request.transport
        self._out: asyncio.Queue[tuple[WSMsgType, bytes]] = asyncio.Queue(_BACKLOG)

    def tell(self, method: Method, data: str | None = None, **payload: Any) -> None:
        """Send a message."""
        self._put(WSMsgType.TEXT, write(method, data, **payload))

    def play(self, pcm: bytes) -> None:
        """Send sound: PCM16, little-endian, mono, 16 kHz; never nothing, never half a sample."""
        self._put(WSMsgType.BINARY, pcm)

    def pong(self, data: bytes) -> None:
        """Answer a ping."""
        self._put(WSMsgType.PONG, data)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write what it is told while the block runs."""
        task = asyncio.create_task(self._write(), name="write to page")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def frames(self) -> AsyncGenerator[WSMessage]:
        """Read what comes, until the page is gone."""
        with contextlib.suppress(ConnectionError):
            async for frame in self._socket:
                if frame.type is WSMsgType.PING:
                    self.pong(frame.data)
                else:
                    yield frame

    async def say_goodbye(self, code: WSCloseCode, why: str = "") -> None:
        """Close the socket once all has been written; a page that does not answer is cut off."""
        reason = why.encode()[:_MAX_REASON].decode(errors="ignore").encode()
        try:
            async with asyncio.timeout(_PATIENCE):
                if not self._socket.closed:
                    await self._out.join()
                await self._socket.close(code=code, message=reason)
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _put(self, kind: WSMsgType, payload: bytes) -> None:
        try:
            self._out.put_nowait((kind, payload))
        except asyncio.QueueFull:
            self.cut()

    async def _write(self) -> None:
        while True:
            kind, payload = await self._out.get()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._socket.send_frame(payload, kind)
            except TimeoutError:
                self.cut()
            except ConnectionError:
                pass  # whoever reads learns of it; what is written from now on goes nowhere
            finally:
                self._out.task_done()
