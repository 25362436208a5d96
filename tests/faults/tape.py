"""What one connection carried, both ways, with the time; and a client that keeps such a tape."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import aiohttp
import orjson

from tests.wire import Listening, Raw, Wire, dialled, dialled_raw

_FENCED: Final = (b'"interrupt"', b'"stream_request"', b'"start_call"')

Way = Literal["sent", "got", "fence", "passed", "closed"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened on the wire, at `time.monotonic()` seconds."""

    at: float
    way: Way
    """`sent` by us and `got` by us; a `fence` is a ping of ours, `passed` once it is answered: what
    we sent before it has been read by then, and what was said before that has come."""
    what: Any
    """Text or bytes that were sent, a message that came, the fence's mark, who closed."""


@dataclass
class Tape:
    """All that happened on one connection, in order."""

    events: list[Event] = field(default_factory=list)

    def note(self, way: Way, what: Any) -> None:
        self.events.append(Event(time.monotonic(), way, what))

    @property
    def is_closed(self) -> bool:
        return any(event.way == "closed" for event in self.events)


class _Taped:
    """A client's socket that writes down what passes, and answers pings."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, tape: Tape) -> None:
        self._socket = socket
        self._tape = tape
        self._fences: set[bytes] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def send_str(self, text: str) -> None:
        self._tape.note("sent", text)
        await self._socket.send_str(text)
        if any(kind in text[:4096].encode("utf-8", "replace") for kind in _FENCED):
            await self.fence()

    async def send_bytes(self, payload: bytes) -> None:
        self._tape.note("sent", payload)
        await self._socket.send_bytes(payload)

    async def fence(self) -> None:
        mark = b"fence %d" % len(self._fences)
        self._fences.add(mark)
        self._tape.note("fence", mark)
        await self._socket.ping(mark)

    async def receive(self) -> aiohttp.WSMessage:
        """Wait for what a call is about: our fences and the bridge's pings are not."""
        while True:
            frame = await self.any_frame()
            if frame.type is aiohttp.WSMsgType.PING or frame.data in self._fences:
                continue
            return frame

    async def any_frame(self) -> aiohttp.WSMessage:
        """Wait for a frame, write it down, and answer a ping."""
        frame = await self._socket.receive()
        match frame.type:
            case aiohttp.WSMsgType.TEXT:
                self._tape.note("got", orjson.loads(frame.data))
            case aiohttp.WSMsgType.PING:
                await self._socket.pong(frame.data)
            case aiohttp.WSMsgType.PONG if frame.data in self._fences:
                self._tape.note("passed", bytes(frame.data))
            case aiohttp.WSMsgType.PONG:
                pass
            case _:
                self._tape.note("closed", self._socket.close_code)
        return frame


class Caller(Wire):
    """Millis's end of one call, on tape."""

    def __init__(self, wire: Wire, tape: Tape) -> None:
        self._taped = _Taped(wire.socket, tape)
        super().__init__(self._taped)  # type: ignore[arg-type]  # it stands in for one
        self.tape = tape

    async def pinged(self, times: int) -> None:
        """Say nothing until the bridge has asked so often whether we are there, and answer it."""
        while times:
            frame = await self._taped.any_frame()
            times -= frame.type is aiohttp.WSMsgType.PING

    async def hang_up(self) -> None:
        """Close the socket, as Millis does at the end of a call."""
        if not self.tape.is_closed:
            self.tape.note("closed", "us")
        await self.socket.close()


class RawCaller(Raw):
    """The same by hand: whole text frames are on tape, and what is sent in pieces is `told`."""

    def __init__(self, raw: Raw, tape: Tape) -> None:
        super().__init__(raw.reader, raw.writer)
        self.head, self.tape = raw.head, tape

    def told(self, text: str) -> None:
        """Note what was sent in a way that the tape does not see."""
        self.tape.note("sent", text)

    def send(self, payload: bytes | str, opcode: int = 1, **kwargs: Any) -> None:
        if opcode == 1 and kwargs.get("fin", True) and isinstance(payload, str):
            self.told(payload)
        super().send(payload, opcode, **kwargs)

    def vanish(self) -> None:
        self.tape.note("closed", "us")
        super().vanish()

    async def next(self) -> tuple[int, bytes]:
        opcode, payload = await super().next()
        if opcode == 1:
            self.tape.note("got", orjson.loads(payload))
        elif opcode == 8:
            self.tape.note("closed", int.from_bytes(payload[:2], "big"))
        return opcode, payload

    async def answer(self, stream_id: object) -> str:
        """Wait until a stream has ended; what was said on it."""
        said = ""
        while True:
            opcode, payload = await self.next()
            data = orjson.loads(payload)["data"] if opcode == 1 else {}
            if data.get("stream_id") == stream_id:
                said += str(data.get("content", ""))
                if data.get("end_of_stream"):
                    return said


@asynccontextmanager
async def calling(at: Listening, tape: Tape, path: str, **kwargs: Any) -> AsyncIterator[Caller]:
    """Dial, and hang up at the end."""
    async with dialled(at, path, **kwargs) as wire:
        caller = Caller(wire, tape)
        try:
            yield caller
        finally:
            await caller.hang_up()


@asynccontextmanager
async def calling_raw(
    at: Listening, tape: Tape, path: str, *headers: str, **kwargs: Any
) -> AsyncIterator[RawCaller]:
    """Dial by hand, and let go of the connection at the end."""
    async with dialled_raw(at, *headers, path=path, **kwargs) as raw:
        try:
            yield RawCaller(raw, tape)
        finally:
            if not tape.is_closed:
                tape.note("closed", "us")
