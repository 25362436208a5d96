"""Who gets the webhook: a real server that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from tests.server.reading import on_port

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Takes what is sent. `answers` are given in turn, then 204 for ever."""

    answers: list[int | Respond] = field(default_factory=list)
    otherwise: int | Respond = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers and body of each request."""
    busy: int = 0
    """Requests that are not answered yet."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=canary-in-url"

    @property
    def calls(self) -> list[str]:
        """Which calls came, in order."""
        return [orjson.loads(body)["call"]["id"] for _, body in self.got]

    @property
    def message(self) -> dict[str, Any]:
        """The only message that came."""
        ((_, body),) = self.got
        found: dict[str, Any] = orjson.loads(body)
        return found

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.got.append((dict(request.headers), await request.read()))
        self.busy += 1
        try:
            answer = self.answers.pop(0) if self.answers else self.otherwise
            return web.Response(status=answer) if isinstance(answer, int) else await answer(request)
        finally:
            self.busy -= 1


@asynccontextmanager
async def receiving(
    *answers: int | Respond, otherwise: int | Respond = 204
) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver(list(answers), otherwise)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", receiver.take)
    async with on_port(app, handler_cancellation=True) as runner:
        receiver.port = runner.addresses[0][1]
        yield receiver


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError
