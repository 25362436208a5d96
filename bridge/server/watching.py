"""Watching a call from outside: tools and turns as they happen, for `bridge chat`."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import orjson
from aiohttp import WSMsgType, web

from bridge.call.ports import CallData, CallEvent
from bridge.server.access import foreign_origin, may_enter

_BACKLOG = 256
"""Events a watcher may lag behind; it misses what comes after."""


class Watchers:
    """Who watches which call, by its session id."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Tell everybody who watches this call (call.ports.Observer)."""
        queues = self._queues.get(call.session_id)
        if not queues:
            return
        line = orjson.dumps({"event": type(event).__name__, "data": event}, default=str)
        for queue in queues:
            if not queue.full():
                queue.put_nowait(line)

    @contextlib.contextmanager
    def watch(self, session_id: str) -> Iterator[asyncio.Queue[bytes]]:
        """Get the events of a call as JSON, from now on."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(_BACKLOG)
        self._queues[session_id].add(queue)
        try:
            yield queue
        finally:
            self._queues[session_id].discard(queue)
            if not self._queues[session_id]:
                del self._queues[session_id]


WATCHERS: web.AppKey[Watchers] = web.AppKey("watchers", Watchers)
TOKENS: web.AppKey[Sequence[str]] = web.AppKey("tokens", tuple)


async def watch_call(request: web.Request) -> web.StreamResponse:
    """Send a call's events over a WebSocket until the watcher leaves."""
    if not may_enter(request, request.app[TOKENS]) or foreign_origin(request):
        return web.Response(status=401, text="unauthorized\n")
    socket = web.WebSocketResponse(heartbeat=20, compress=False, max_msg_size=1024)
    await socket.prepare(request)
    with request.app[WATCHERS].watch(request.match_info["session"]) as events:
        sending = asyncio.create_task(_forward(events, socket), name="watcher")
        try:
            async for _ in socket:  # until it leaves; what it says does not matter
                pass
        finally:
            sending.cancel()
            await asyncio.wait({sending})
    return socket


async def _forward(events: asyncio.Queue[bytes], socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await socket.send_frame(await events.get(), WSMsgType.TEXT)
