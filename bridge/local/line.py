"""One socket to a bridge, as Millis holds it: frames out, frames in, and ways to lose it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp import WSMsgType

from bridge.local.answer import LineLost
from bridge.local.dialing import connected

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, as when a machine vanishes."""


class Line:
    """One connection. Get it from `dial`; whoever has it reads `frames` and calls `hang_up`."""

    def __init__(
        self, session: aiohttp.ClientSession, wire: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.lost: LineLost | None = None
        """Why there is no connection any more."""
        self._session = session
        self._wire = wire
        self._reading = asyncio.Event()
        self._reading.set()

    @classmethod
    async def dial(cls, url: str, token: str = "", window: int | None = None) -> Self:
        """Connect. `window`: bytes that are taken in for a caller who does not read.

        Raises:
            CallRefused: there is no bridge, or it does not take the call.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = None if window is None else aiohttp.TCPConnector(socket_factory=_narrow(window))
        session = aiohttp.ClientSession(connector=connector)
        try:
            return cls(session, await connected(session, url, headers))
        except BaseException:
            await session.close()
            raise

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message.

        Raises:
            LineLost: the connection is gone.
        """
        if self.lost is not None:
            raise self.lost
        try:
            await self._wire.send_str(orjson.dumps(message).decode())
        except ConnectionError as error:
            raise LineLost(self._wire.close_code) from error

    async def mark(self, number: int) -> None:
        """Have a number come back among the frames, once the bridge has read all so far."""
        with contextlib.suppress(ConnectionError):  # whoever waits for words learns of it
            await self._wire.ping(str(number).encode())

    async def frames(self) -> AsyncIterator[str | int | None]:
        """Read what comes, to the end: texts, marks that came back, None for what is neither."""
        try:
            async for frame in self._wire:
                match frame.type:
                    case WSMsgType.TEXT:
                        yield frame.data
                    case WSMsgType.PING:
                        await self._wire.pong(frame.data)
                    case WSMsgType.PONG:
                        if bytes(frame.data).isdigit():
                            yield int(frame.data)
                    case _:
                        yield None
                await self._reading.wait()
        except ConnectionError:
            pass  # as if closed
        finally:
            self.lost = LineLost(self._wire.close_code)

    # ── ways to treat a bridge badly ─────────────────────────────────────────────────────────────

    def stop_reading(self) -> None:
        """Leave unread what comes after the next frame, pings too: the bridge's buffers fill."""
        self._reading.clear()

    def read_on(self) -> None:
        """Read again."""
        self._reading.set()

    async def vanish(self) -> None:
        """Be gone without a goodbye: the bridge sees a reset connection."""
        wire = self._wire.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        await self._session.close()

    async def hang_up(self) -> None:
        """Close as one does at the end of a call."""
        await self._wire.close()
        await self._session.close()


def _narrow(window: int) -> Any:
    def factory(address: tuple[Any, ...]) -> socket.socket:
        wire = socket.socket(*address[:3])
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        return wire

    return factory
