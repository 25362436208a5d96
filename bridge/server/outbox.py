"""The one writer of a socket."""

import asyncio
import contextlib
from typing import NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from bridge.errors import CallClosed
from bridge.protocol import Outbound, encode

_SMALL = 32 * 1024
"""Bytes of a frame that a transport takes without pausing its writer, if it held nothing before."""

_TEXT = 0x81
"""The first byte of a text frame that is its message's last."""


class Goodbye(NamedTuple):
    """What a socket is closed with."""

    code: WSCloseCode
    why: bytes
    timeout: float
    """Seconds that the peer may take to answer it."""


class Outbox:
    """Puts a call's messages on its socket, whole and in order.

    There is no queue: a message is on the transport before `send` first waits, so nothing of a
    silenced turn can still be on its way here.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, timeout: float) -> None:
        self._socket = socket
        self._transport = request.transport
        self._timeout = timeout
        self._reading: asyncio.Timeout | None = None
        self._goodbye: Goodbye | None = None
        self.gave_up = False
        """Whether the peer was cut off because it did not read."""

    def cut(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def ready(self) -> bool:
        """Whether the peer has read all there was: then a message can be `put`."""
        return self._all_read

    def put(self, message: Outbound) -> None:
        """Write one message, now: nothing waits, so there is no need for aiohttp's coroutines.

        Raises:
            CallClosed: the peer is gone.
        """
        if self._transport is None or self._socket.closed or self._transport.is_closing():
            raise CallClosed("the peer is gone")
        self._transport.write(text_frame(encode(message)))

    async def send(self, message: Outbound) -> None:
        """Write one message; a peer that does not read for `timeout` seconds is cut off.

        Raises:
            CallClosed: the peer is gone, or was cut off.
        """
        await self._write(encode(message), WSMsgType.TEXT)

    async def pong(self, payload: bytes) -> None:
        """Answer a ping.

        Raises:
            CallClosed: the peer is gone, or was cut off.
        """
        await self._write(payload, WSMsgType.PONG)

    @property
    def hung_up(self) -> bool:
        """Whether somebody wants the peer to be gone."""
        return self._goodbye is not None

    def reading(self, patience: float | None = None) -> asyncio.Timeout:
        """Read from the socket in here, until a `hang_up`; then `say_goodbye`.

        Whoever closes a socket of aiohttp's while a task waits for a frame of it drops the
        connection with the Close frame: a peer who is just speaking may never see that.

        Raises `TimeoutError` when it is left: it was `hung_up`, or nothing was `heard` for
        `patience` seconds.
        """
        self._reading = asyncio.timeout(0 if self.hung_up else patience)
        return self._reading

    def heard(self) -> None:
        """Something came: there is no hurry any more."""
        if self._reading is not None and not self.hung_up:
            self._reading.reschedule(None)

    def hang_up(self, code: WSCloseCode, why: bytes, timeout: float | None = None) -> None:
        """Have whoever is reading stop, and say goodbye."""
        if self._goodbye is None:
            self._goodbye = Goodbye(code, why, self._timeout if timeout is None else timeout)
            if self._reading is not None:
                with contextlib.suppress(RuntimeError):  # nobody reads any more
                    self._reading.reschedule(0)

    async def say_goodbye(self) -> None:
        """Close the socket, if it was hung up; a peer that does not answer in time is cut off."""
        if self._goodbye is None:
            return
        code, why, timeout = self._goodbye
        try:
            async with asyncio.timeout(timeout):
                await self._socket.close(code=code, message=why)
        except TimeoutError:
            self._cut_off()

    def let_go(self) -> None:
        """Drop what the peer has not read by now; it would keep the connection for ever."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()

    async def _write(self, payload: bytes, kind: WSMsgType) -> None:
        try:
            if self._all_read and len(payload) < _SMALL:  # then it does not wait: no clock
                await self._socket.send_frame(payload, kind)
                return
            async with asyncio.timeout(self._timeout):
                await self._socket.send_frame(payload, kind)
        except TimeoutError as error:
            self.gave_up = True
            self._cut_off()
            raise CallClosed("the peer stopped reading") from error
        except (ConnectionError, RuntimeError) as error:
            raise CallClosed("the peer is gone") from error

    @property
    def _all_read(self) -> bool:
        """Whether the system has taken over all that was written."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    def _cut_off(self) -> None:
        # The heartbeat does not free a writer that a full socket blocks; only this does.
        if self._transport is not None:
            self._transport.abort()


class Live(set[Outbox]):
    """The sockets that are open."""

    def __init__(self) -> None:
        super().__init__()
        self._left = asyncio.Event()

    def leave(self, outbox: Outbox) -> None:
        """Nothing goes on there any more."""
        self.discard(outbox)
        self._left.set()

    async def emptied(self) -> None:
        """Wait until none is left."""
        while self:
            self._left.clear()
            await self._left.wait()


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame, whole (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + payload
