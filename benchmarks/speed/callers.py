"""Callers that cost next to nothing: Millis's side of the socket, straight from `asyncio.Protocol`.

They time what a caller would notice, and check every answer: a turn whose words are not the
model's, in order and to the end, counts as failed.
"""

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

WHOLE = 120.0
"""Seconds an answer may take until the run counts as failed."""


@dataclass(slots=True)
class Turn:
    """One request and what came of it, in seconds on the machine's monotonic clock."""

    words: str
    """The caller's last words; no other turn of a run has the same."""
    stream_id: int
    asked: float
    first: float = 0.0
    """When the first word came."""
    ended: float = 0.0
    interrupted: float = 0.0
    fenced: float = 0.0
    """When the server had certainly read all, the interrupt too: what comes now comes too late."""
    last: float = 0.0
    """When the last frame of any kind came."""
    said: list[str] = field(default_factory=list)


class Caller(asyncio.Protocol):
    """One call. One turn at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport = None  # type: ignore[assignment] - until connected
        self._buffer = b""
        self._connected = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] | None = None
        self._fenced: asyncio.Future[None] | None = None
        self._streams = 0
        self.turn: Turn | None = None
        self.strays = 0
        """Frames of streams that are over, or were never asked for."""

    @classmethod
    async def dial(cls, port: int) -> Self:
        """Connect, and begin a call that is not greeted."""
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(cls, "127.0.0.1", port)
        await caller.start(port)
        return caller

    async def start(self, port: int) -> None:
        """Become a WebSocket, and begin the call."""
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /millis HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await self._connected
        session = os.urandom(8).hex()
        data = {"stream_id": None, "agent_id": "bench", "session_id": session, "metadata": {}}
        self._tell({"type": "start_call", "data": data})

    async def ask(self, words: str, before: list[dict[str, str]]) -> Turn:
        """Ask, and wait for the whole answer."""
        turn = self.begin(words, before)
        self._ended = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(WHOLE):
            await self._ended
        return turn

    def begin(self, words: str, before: list[dict[str, str]]) -> Turn:
        """Ask, and go on."""
        self._streams += 1
        transcript = [*before, {"role": "user", "content": words}]
        data = {"stream_id": self._streams, "transcript": transcript}
        self.turn = turn = Turn(words, self._streams, time.monotonic())
        self._tell({"type": "stream_request", "data": data})
        return turn

    def partial(self, words: str) -> None:
        """Tell what is being said, before it is asked."""
        data = {"session_id": "", "transcript": words, "is_final": True}
        self._tell({"type": "partial_transcript", "data": data})

    def interrupt(self) -> None:
        """Speak over the answer."""
        assert self.turn is not None
        self.turn.interrupted = time.monotonic()
        self._tell({"type": "interrupt", "stream_id": self.turn.stream_id})

    async def fence(self) -> None:
        """Wait until the server has read all that was said: a ping is answered in order."""
        self._fenced = asyncio.get_running_loop().create_future()
        self._transport.write(b"\x89\x80\x00\x00\x00\x00")
        async with asyncio.timeout(WHOLE):
            await self._fenced

    def hang_up(self) -> None:
        """Close the connection."""
        self._transport.write(b"\x88\x80\x00\x00\x00\x00")
        self._transport.close()

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more will come."""
        lost = ConnectionError(f"the server hung up: {error}")
        for waiting in (self._connected, self._ended, self._fenced):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        buffer = self._buffer + data
        if not self._connected.done():
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if b" 101 " not in head:
                self._connected.set_exception(ConnectionError(head.decode()))
            else:
                self._connected.set_result(None)
        now = time.monotonic()
        at = 0
        while len(buffer) >= at + 2:
            kind, size, start = buffer[at] & 15, buffer[at + 1] & 127, at + 2
            if size == 126:
                start += 2
                size = int.from_bytes(buffer[at + 2 : at + 4], "big")
            if len(buffer) < start + size:
                break
            at = start + size
            if kind == 1:
                self._hear(orjson.loads(buffer[start:at]), now)
            elif kind == 9:
                self._transport.write(_masked(buffer[start:at], 0x8A))
            elif kind == 10:
                self._pass_fence(now)
        self._buffer = buffer[at:]

    def _pass_fence(self, now: float) -> None:
        if self.turn is not None:
            self.turn.fenced = now
        if self._fenced is not None and not self._fenced.done():
            self._fenced.set_result(None)

    def _hear(self, message: dict[str, Any], now: float) -> None:
        turn, data = self.turn, message["data"]
        if turn is None or data["stream_id"] != turn.stream_id or turn.ended or turn.fenced:
            self.strays += 1
            return
        turn.last = now
        if content := data.get("content"):
            turn.first = turn.first or now
            turn.said.append(content)
        if data.get("end_of_stream"):
            turn.ended = now
            if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)

    def _tell(self, message: dict[str, Any]) -> None:
        self._transport.write(_masked(orjson.dumps(message), 0x81))


def _masked(payload: bytes, first: int) -> bytes:
    """One frame of a client's. Its mask is zero: a mask like any other, and free of work."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload
