"""A real HTTP server that notes what it is asked, and a resolver that says what it is told to."""

import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any = None


@dataclass
class Service:
    """A server of one's own; `replies` are given in order, the last one for ever."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    replies: deque[Respond | web.Response] = field(default_factory=deque)
    connections: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        is_json = request.content_type == "application/json" and body
        self.asked.append(
            Asked(
                request.method,
                request.rel_url.raw_path,
                dict(request.query),
                request.headers,
                body,
                await request.json() if is_json else None,
            )
        )
        self.connections.add(id(request.transport))
        if not self.replies:
            return web.Response(text="fine")
        reply = self.replies.popleft() if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, web.Response):  # one object can be sent only once
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        return await reply(request)


@asynccontextmanager
async def service(
    *replies: Respond | web.Response, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Service]:
    """Serve on a port of this machine; 0 for one that is free."""
    this = Service(replies=deque(replies))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", this.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    this.port = runner.addresses[0][1]
    try:
        yield this
    finally:
        await runner.cleanup()


class Names(AbstractResolver):
    """Knows the names it was given; a list of lists is gone through, one a look-up."""

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        self.known = dict(known)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError("no such name")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.known[host]
        ]

    async def close(self) -> None:
        """Nothing is held."""
