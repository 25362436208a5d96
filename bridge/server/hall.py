"""Where connections wait: from when they are made until they are calls, or ask for something.

A connection costs whoever makes it nothing, and us a descriptor. So one that does not ask in time
is cut off, however busily it sends half a request; and where too many wait, room is made for the
next. Who has more than their share of the room pays for it themselves; else those go that wait
longest. Whoever asks at once is served before it is their turn, also from behind a proxy, where all
are of one address.
"""

import asyncio
import resource
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

_FEWEST, _MOST = 64, 4096
_LONGEST_HEAD: Final = 16 * 1024
"""Bytes that are kept of headers; whether so many are too many, aiohttp says."""
_SILENCE: Final = 60.0
"""Seconds between two lines of the log on connections that were cut off."""

_log = structlog.get_logger(__name__)

Cut = Callable[[str], None]
"""Told of each connection that is cut off, and why: `silent`, `crowded`."""


class Hall:
    """The connections of one port that are no calls."""

    def __init__(self, patience: float, cut: Cut, most: int | None = None) -> None:
        """`patience`: seconds in which a connection has to ask; `most` may wait at once."""
        self.patience = patience
        self.most = most or _room()
        self._cut = cut
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        """In the order in which they came."""
        self._by_address: dict[str, OrderedDict[Connection, None]] = {}
        self._told = -_SILENCE

    def __len__(self) -> int:
        """How many wait, that ask for nothing at the moment."""
        return len(self._waiting)

    def enter(self, connection: "Connection") -> None:
        """Have one wait; where there is no room, another leaves."""
        own = self._by_address.setdefault(connection.address, OrderedDict())
        own[connection] = self._waiting[connection] = None
        if len(self._waiting) > self.most:
            share = max(self.most / len(self._by_address), 1)
            self.cut(next(iter(own if len(own) > share else self._waiting)), "crowded")

    def leave(self, connection: "Connection") -> None:
        """It waits no longer."""
        if connection in self._waiting:
            del self._waiting[connection]
            own = self._by_address[connection.address]
            del own[connection]
            if not own:
                del self._by_address[connection.address]

    def cut(self, connection: "Connection", why: str) -> None:
        """Cut one off."""
        self.leave(connection)
        connection.abort()
        self._cut(why)
        if (now := time.monotonic()) - self._told > _SILENCE:
            self._told = now
            _log.warning(
                "connections that ask for nothing are cut off",
                why=why,
                address=connection.address,
                waiting=len(self),
            )

    def close(self) -> None:
        """Cut off all that wait: the server stops."""
        for connection in list(self._waiting):
            self.leave(connection)
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection that is no call: aiohttp is given what comes once that is a request."""

    def __init__(self, hall: Hall, server: web.Server) -> None:
        self.address = ""
        self._hall = hall
        self._server = server
        self._head = b""
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        loop, hall = asyncio.get_running_loop(), self._hall
        self._patience = loop.call_later(hall.patience, hall.cut, self, "silent")
        hall.enter(self)

    def data_received(self, data: bytes) -> None:
        """Pass on a request when its headers are whole: until then aiohttp costs us nothing."""
        if self._inner is None:
            self._head += data
            if b"\r\n\r\n" not in self._head and len(self._head) < _LONGEST_HEAD:
                return
            data, self._head = self._head, b""
            self._inner = self._server()
            self._inner.connection_made(self._transport)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Nothing more will come."""
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        """The peer does not read."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self.asks()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def asks(self) -> None:
        """It has a whole request, and is no longer waited for."""
        self._hall.leave(self)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def was_answered(self) -> None:
        """It may ask again, for as long as aiohttp lets it, unless it is in the way of others."""
        if not self._transport.is_closing():
            self._hall.enter(self)

    def step_aside(self) -> None:
        """From now on aiohttp hears for itself."""
        if self._inner is not None:
            self._transport.set_protocol(self._inner)

    def abort(self) -> None:
        """Cut it off."""
        self._transport.abort()


def let_through(request: web.BaseRequest) -> None:
    """It is a call: nothing stands between it and aiohttp any more."""
    if (connection := _waiting(request)) is not None:
        connection.step_aside()


def _waiting(request: web.BaseRequest) -> Connection | None:
    """The connection of a request, unless it is a call, or has gone."""
    protocol = None if request.transport is None else request.transport.get_protocol()
    return protocol if isinstance(protocol, Connection) else None


@web.middleware
async def attended(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have a connection wait no longer while its request is answered."""
    if (connection := _waiting(request)) is None:
        return await handler(request)
    connection.asks()
    del connection  # of one that becomes a call nothing is kept
    try:
        return await handler(request)
    finally:
        if (connection := _waiting(request)) is not None:
            connection.was_answered()


def _room() -> int:
    """A quarter of the descriptors that there are: the others are for calls and models."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(max(descriptors // 4, _FEWEST), _MOST) if descriptors > 0 else _MOST
