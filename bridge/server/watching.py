"""Watching a call from outside: tools and turns as they happen, for `bridge chat`."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields

import orjson
from aiohttp import WSMsgType, web

from bridge.call.events import CallData, CallEvent
from bridge.server.access import Keys, foreign_origin
from bridge.server.guesses import GUESSES
from bridge.server.loopback import is_rebound
from bridge.server.outbox import Live, Outbox

_BACKLOG = 256
"""Events a watcher may lag behind; it misses what comes after."""

_PATIENCE = 5.0
"""Seconds a watcher may take to answer our goodbye."""


class Watchers:
    """Who watches which call, by its session id."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        self.live = Live()

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Tell everybody who watches this call (call.events.Observer)."""
        queues = self._queues.get(call.session_id)
        if not queues:
            return
        line = _line(event)
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
KEYS: web.AppKey[Keys] = web.AppKey("keys", Keys)


async def watch_call(request: web.Request) -> web.StreamResponse:
    """Send a call's events over a WebSocket until the watcher leaves."""
    keys = request.app[KEYS]
    if not keys.may_enter(request):
        return request.app[GUESSES].answer(request, "watch")
    if foreign_origin(request) or (keys.are_none and is_rebound(request)):
        return web.Response(status=403, text="forbidden\n")
    return await show_call(request, request.app[WATCHERS])


async def show_call(
    request: web.Request, watchers: Watchers, before: Iterable[CallEvent] = ()
) -> web.StreamResponse:
    """Send a call's events to somebody who has been let in already; `before` come first."""
    socket = web.WebSocketResponse(heartbeat=20, compress=False, max_msg_size=1024)
    outbox = Outbox(socket, request, _PATIENCE)
    await socket.prepare(request)
    watchers.live.add(outbox)
    with watchers.watch(request.match_info["session"]) as events:
        for event in before:
            if not events.full():
                events.put_nowait(_line(event))
        sending = asyncio.create_task(_forward(events, socket), name="watcher")
        try:
            with contextlib.suppress(TimeoutError):  # hung up
                async with outbox.reading():
                    async for _ in socket:  # until it leaves; what it says does not matter
                        pass
            await outbox.say_goodbye()
        finally:
            watchers.live.leave(outbox)
            sending.cancel()
            await asyncio.wait({sending})
    return socket


def _line(event: CallEvent) -> bytes:
    kind = type(event).__name__
    try:
        return orjson.dumps({"event": kind, "data": event}, default=str)
    except TypeError:  # a lone surrogate, a huge number, a deep nest: from a model or a tool
        data = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
        return orjson.dumps({"event": kind, "data": data})


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    try:
        orjson.dumps(value)
    except TypeError:
        return f"a {type(value).__name__} that cannot be shown"
    return value


async def _forward(events: asyncio.Queue[bytes], socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await socket.send_frame(await events.get(), WSMsgType.TEXT)
