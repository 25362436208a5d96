"""The API of the record on a real port, and who reads it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from bridge.call.events import CallEnded
from bridge.protocol import end_of_stream, words
from bridge.server.api import add_api
from bridge.server.readers import Readers
from bridge.store.notes.note import Note
from bridge.store.reading.archive import Archive
from tests.store.kept import CALL, Kept
from tests.store.messages import request as asking


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def ids(self) -> list[str]:
        """The calls in it, by their ids."""
        return [call["id"] for call in self.json["calls"]]


@dataclass
class Reader:
    """Somebody on this machine."""

    port: int
    http: aiohttp.ClientSession
    server: web.Server
    address: str = "127.0.0.1"

    @property
    def connections(self) -> int:
        """How many connections the server has."""
        return len(self.server.connections)

    @asynccontextmanager
    async def dialled(self, *lines: str) -> AsyncIterator[asyncio.StreamReader]:
        """Send a request by hand, and read the answer as slowly as you like."""
        stream, sending = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 10)
        sending.write("\r\n".join([*lines, "", ""]).encode())
        try:
            yield stream
        finally:
            sending.transport.abort()
            with suppress(ConnectionError):
                await sending.wait_closed()

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers)

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a path that is encoded as it is to be on the wire."""
        url = URL(f"http://{self.address}:{self.port}{path}", encoded=True)
        async with self.http.request(method, url, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def ask_raw(self, *lines: str) -> int:
        """Send a request by hand, of which the first line is GET; the status."""
        async with self.dialled(*lines) as stream, asyncio.timeout(10):
            return int((await stream.readline()).split()[1])


@asynccontextmanager
async def serving(
    archive: Archive | None,
    *tokens: str,
    host: str = "127.0.0.1",
    address: str = "127.0.0.1",
    also: dict[str, Handler] | None = None,
    **settings: Any,
) -> AsyncIterator[Reader]:
    """Serve a record to whoever has a token, or else to this machine.

    `host` is where it listens, `address` how to get there.
    """
    app = web.Application()
    add_api(app, lambda: archive, Readers(tokens), **settings)
    for path, handler in (also or {}).items():
        app.router.add_get(path, handler)
    async with on_port(app, host) as runner, aiohttp.ClientSession() as http:
        assert runner.server is not None
        yield Reader(runner.addresses[0][1], http, runner.server, address)


@asynccontextmanager
async def on_port(
    app: web.Application, host: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[web.AppRunner]:
    """Serve an app on a free port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **settings)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield runner
    finally:
        await runner.cleanup()


def own_address() -> str:
    """An address of this machine that is not loopback: one from which it would reach others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine is on no network")
        address: str = asking.getsockname()[0]
        return address


def wired_call(turns: int = 1, words_each: int = 2) -> list[Note]:
    """A call with its frames, as it is recorded: the conversation comes with each request."""
    kept, said = Kept(), list[str]()
    record = kept.begun()
    for number in range(turns):
        said.append(f"Question {number}, and where is the order that I placed last week?")
        record.heard(CALL, asking(number, *said))
        for word in range(words_each):
            kept.now += 0.01
            record.sent(CALL, words(number, f" word{word}"))
        record.sent(CALL, end_of_stream(number))
        kept.turn(record, number, "Hi. " * words_each)
    record.note(CALL, CallEnded("hung_up"))
    return kept.notes
