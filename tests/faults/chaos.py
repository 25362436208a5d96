"""A bad line: a TCP proxy that is late, slow, cut into slices, silent, or gone.

    async with Chaos(bridge.port) as line, dialled(line) as millis:
        line.be(down=Weather(latency=0.3, jitter=0.1))     # from the bridge to the caller
        line.be(up=SILENT, down=SILENT)                    # half-open: nothing comes, nobody knows
        line.be()                                          # well again: what was held back comes
        line.reset()                                       # gone, with an RST to both ends

Stands between a caller and the bridge, or between the bridge and its model.
"""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_READ = 4096
"""Bytes that are taken at a time, and half of what a reader may have taken in unasked."""
_UNDER_WAY = 16
"""Reads that may be under way at once; then it reads no more, and its sender is held up."""
_SMOOTH = 20
"""Parts, at least, that the bytes of a second are sent in, where they are limited."""
_AHEAD = 0.01
"""Seconds that a limited line may be ahead: sleeping for less takes longer than it should."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What one way of a line is like; nothing of it is a good line."""

    latency: float = 0.0
    """Seconds that each byte is under way."""
    jitter: float = 0.0
    """Seconds, at most, that it takes longer by chance; the order of bytes stays."""
    slices: int = 0
    """Bytes that go at a time, each part in a packet of its own; 0 for as they come. A part takes
    a turn of the event loop: of a few bytes, with much else to do, a line is slow, too."""
    rate: float = 0.0
    """Bytes per second; 0 for as fast as they come."""
    silent: bool = False
    """Nothing arrives, no end and no reset either. Once that is over, all that was sent does, as
    TCP sends it again."""
    reset_at: int | None = None
    """The line is reset when that many bytes have gone this way since it began."""


GOOD = Weather()
SILENT = Weather(silent=True)


class Chaos:
    """A proxy to a port of this machine. What comes by chance comes from the seed."""

    def __init__(self, to: int, *, up: Weather = GOOD, down: Weather = GOOD, seed: int = 0) -> None:
        self.port = 0
        self.links: set[Link] = set()
        """Connections that are open now."""
        self._to = to
        self._weather = up, down
        self._chance = random.Random(seed)  # noqa: S311 - the same each time, on purpose
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=_READ)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        tasks = {link.task for link in self.links}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def be(self, up: Weather = GOOD, down: Weather = GOOD) -> None:
        """Change the weather, for connections that are open and those that come.

        `up` is from those who dial to the port that is dialled, `down` back.
        """
        self._weather = up, down
        for link in self.links:
            link.be(up, down)

    def reset(self) -> None:
        """Reset all connections that are open: both ends get an RST."""
        for link in self.links:
            link.reset()

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._to, _End(reader, writer), self._weather, self._chance)
        self.links.add(link)
        link.task.add_done_callback(lambda _: self.links.discard(link))


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __post_init__(self) -> None:
        self.writer.transport.set_write_buffer_limits(0)  # what has been given is on its way

    async def close(self, *, reset: bool) -> None:
        if reset:
            wire = self.writer.get_extra_info("socket")
            if wire.fileno() >= 0:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class _Reset(Exception):
    """An end has reset the connection, or the weather has."""


class Link:
    """One connection through the proxy. Its owner waits for `task`."""

    def __init__(
        self, to: int, caller: _End, weather: tuple[Weather, Weather], chance: random.Random
    ) -> None:
        self._to, self._caller = to, caller
        self._up, self._down = (_Way(each, chance) for each in weather)
        self._lost = False
        self.task = asyncio.create_task(self._run(), name="chaos link")

    def be(self, up: Weather = GOOD, down: Weather = GOOD) -> None:
        """Change the weather of this connection alone."""
        self._up.be(up)
        self._down.be(down)

    def reset(self) -> None:
        """Send both ends an RST."""
        self._lost = True
        self.task.cancel()

    async def _run(self) -> None:
        ends = [self._caller]
        try:
            server = _End(*await asyncio.open_connection("127.0.0.1", self._to, limit=_READ))
            ends.append(server)
            async with asyncio.TaskGroup() as ways:
                for way, here, there in (
                    (self._up, self._caller, server),
                    (self._down, server, self._caller),
                ):
                    ways.create_task(way.take(here.reader), name="chaos take")
                    ways.create_task(way.give(there.writer), name="chaos give")
        except* (_Reset, ConnectionError):
            self._lost = True
        finally:
            for end in ends:
                await end.close(reset=self._lost)


@dataclass(slots=True)
class _Way:
    """One direction: bytes are taken in as they come, and given when the weather lets them."""

    weather: Weather
    chance: random.Random
    given: int = 0
    _free_at: float = 0.0
    """When all that was given has gone, at the rate that is allowed."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: asyncio.Queue[tuple[float, bytes | None]] = field(
        default_factory=lambda: asyncio.Queue(_UNDER_WAY)
    )
    """When it arrives, and what: bytes, the end as no bytes, or a reset as None."""

    def be(self, weather: Weather) -> None:
        self.weather = weather
        self._changed.set()

    async def take(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                taken: bytes | None = await reader.read(_READ)
            except ConnectionError:
                taken = None
            late = self.weather.latency + self.chance.uniform(0, self.weather.jitter)
            await self._under_way.put((asyncio.get_running_loop().time() + late, taken))
            if not taken:
                return

    async def give(self, writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await self._under_way.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._heard()
            if data is None:
                raise _Reset
            if not data:
                break
            while data:
                data = await self._part(data, writer)
        with contextlib.suppress(OSError):  # it has gone, too
            writer.write_eof()

    async def _heard(self) -> None:
        while self.weather.silent:
            self._changed.clear()
            await self._changed.wait()

    async def _part(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Send as much as goes at a time; what is left."""
        await self._heard()
        weather = self.weather
        size = min(weather.slices or len(data), len(data))
        if weather.rate:
            size = max(1, min(size, int(weather.rate / _SMOOTH)))
        if weather.reset_at is not None:
            size = max(0, min(size, weather.reset_at - self.given))
        writer.write(data[:size])
        await writer.drain()
        self.given += size
        if self.given == weather.reset_at or not size:
            raise _Reset
        await asyncio.sleep(self._busy(size))
        return data[size:]

    def _busy(self, size: int) -> float:
        """Seconds to wait until more may be given."""
        if not self.weather.rate:
            return 0
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self.weather.rate
        ahead = self._free_at - now
        return ahead if ahead > _AHEAD else 0
