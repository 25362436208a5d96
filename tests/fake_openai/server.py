"""The routes: one that OpenAI has too, and those that control this fake."""

import asyncio
import time
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from aiohttp import web

from tests.fake_openai.chunks import Completion, Step
from tests.fake_openai.play import Play
from tests.fake_openai.records import EVENTS, Book, Record, new_record


class Fake:
    """The server's state: the book since the last reset, and the connections it knows."""

    path = "/v1/chat/completions"
    play: type[Play] = Play

    def __init__(self) -> None:
        self.book = Book()
        self._numbers: WeakKeyDictionary[asyncio.BaseTransport, int] = WeakKeyDictionary()
        self._connections = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.post(self.path, self._complete),
                web.post("/openai/deployments/{name}/chat/completions", self._complete),  # Azure
                web.post("/control/scripts", self._enqueue),
                web.get("/control/requests", self._requests),
                web.get("/control/wait", self._wait),
                web.post("/control/reset", self._reset),
                web.route("*", "/{any:.*}", self._other),
            ]
        )
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        book = self.book  # a reset does not let an old request write into the new book
        body = orjson.loads(await request.read())
        record = new_record(book, body, {k.lower(): v for k, v in request.headers.items()})
        record.connection, record.port = self._connection(request)
        steps = self.refused(record) or book.steps_for(body)
        await book.note("request_started")
        try:
            if body.get("stream") or any("status" in step or "reset" in step for step in steps):
                response = await self.play(request, record, book).run(steps)
            else:
                await asyncio.sleep(sum(step.get("sleep_ms", 0) for step in steps) / 1000)
                whole = Completion(record.number, str(body.get("model"))).whole(steps)
                response = _json(whole)
        except asyncio.CancelledError:
            await _left(book, record)
            raise
        except ConnectionError:
            await _left(book, record)
            return web.Response()  # to nobody
        record.finished, record.finished_at = True, time.monotonic()
        await book.note("finished")
        return response

    def refused(self, record: Record) -> list[Step]:
        """Steps for a request that breaks the API's rules; none where all are allowed."""
        return []

    def _connection(self, request: web.Request) -> tuple[int, int]:
        transport = request.transport
        if transport is None:
            return 0, 0
        if transport not in self._numbers:
            self._connections += 1
            self._numbers[transport] = self._connections
        return self._numbers[transport], transport.get_extra_info("peername")[1]

    async def _enqueue(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        for script in asked["scripts"]:
            self.book.enqueue(script, asked.get("match"))
        return _json({})

    async def _requests(self, _: web.Request) -> web.Response:
        return _json(self.book.as_json())

    async def _wait(self, request: web.Request) -> web.Response:
        event, count = request.query["event"], int(request.query.get("count", 1))
        if event not in EVENTS:
            raise web.HTTPBadRequest(text=f"no such event: {event}")
        happened = await self.book.wait(event, count, float(request.query.get("timeout", 5)))
        return _json({"count": happened, "reached": happened >= count})

    async def _reset(self, _: web.Request) -> web.Response:
        self.book = Book()
        return _json({})

    async def _other(self, request: web.Request) -> web.Response:
        self._connection(request)
        await self.book.note("connected")
        raise web.HTTPNotFound


async def _left(book: Book, record: Record) -> None:
    record.client_left_at = time.monotonic()
    await book.note("client_left")


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
