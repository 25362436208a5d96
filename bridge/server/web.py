"""The web server: routes, the port, and the goodbye to everybody when it stops."""

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

from aiohttp import WSCloseCode, web

from bridge.errors import SettingsError
from bridge.server.accesslog import AccessLog
from bridge.server.guesses import GUESSES
from bridge.server.hall import Connection, Hall, attended
from bridge.server.health import FINDINGS, Findings, healthz, readyz
from bridge.server.outbox import Live
from bridge.server.socket import SWITCHBOARD, Switchboard, answer
from bridge.server.watching import KEYS, WATCHERS, Watchers, watch_call

App = web.Application
_REQUESTS = 0.5
"""Seconds that a plain request may still take when all calls have ended."""
_STOPPED_TOOLS = 0.3
"""Seconds in which a tool that is cancelled has ended."""
_BACKLOG: Final = 128
"""Connections that are taken in at a time, before others have their turn."""
_QUEUE: Final = 4096
"""Connections that wait for that, where the system lets so many: the next would wait a second."""
_IDLE: Final = 75.0
"""Seconds that a connection is kept for another request; proxies keep theirs for a minute."""


class WebServer:
    """Listens on one port; `start` it, and `stop` it to hang up."""

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        setting: str,
        shutdown_timeout: float,
        listening: socket.socket | None = None,
    ) -> None:
        """`listening` is a socket on a port that other processes may share.

        `setting` is the one that says the port.
        """
        self.host = host
        self.port = port
        self._setting = setting
        self.shutdown_timeout = shutdown_timeout
        """Seconds that calls may take to end when they are hung up."""
        self._listening = listening
        self._open: asyncio.Server | None = None
        board = app[SWITCHBOARD]
        self.hall = Hall(board.first_message_timeout, board.cut_off)
        self._app = app
        self._runner = web.AppRunner(
            app,
            access_log_class=AccessLog,
            keepalive_timeout=_IDLE,
            lingering_time=0,  # for bodies that nobody has read: ours are small, or refused
            shutdown_timeout=min(_REQUESTS, shutdown_timeout),
        )

    @property
    def address(self) -> str:
        """Host and port, as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Open the port; 0 becomes the one that was free.

        Raises:
            SettingsError: the port cannot be had.
        """
        await self._runner.setup()
        try:
            self._open = await self._opened()
        except OSError as error:
            await self._runner.cleanup()
            raise port_taken(self.host, self.port, error, self._setting) from None
        self.port = self._open.sockets[0].getsockname()[1]
        for one in self._open.sockets:
            with socket.socket(fileno=os.dup(one.fileno())) as same:
                same.listen(_QUEUE)

    async def _opened(self) -> asyncio.Server:
        """Listen: not as aiohttp's own sites do, for a connection comes into the hall first."""
        server = self._runner.server
        assert server is not None  # noqa: S101 - it is set up

        def connection() -> Connection:
            return Connection(self.hall, server)

        loop = asyncio.get_running_loop()
        if self._listening is None:
            return await loop.create_server(connection, self.host, self.port, backlog=_BACKLOG)
        return await loop.create_server(connection, sock=self._listening, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Hang up with 1001 and close the port."""
        if self._open is not None:
            self._open.close()
        self.hall.close()
        await self._hang_up()  # before aiohttp is told: it then hears no peer's goodbye
        await self._runner.cleanup()

    async def _hang_up(self) -> None:
        """Close what is open, so that peers see a goodbye and not a lost connection."""
        board, watchers = self._app[SWITCHBOARD], self._app[WATCHERS]
        board.ready, board.draining, board.hanging_up = False, True, True
        for outbox in (*board.live, *watchers.live):
            outbox.hang_up(WSCloseCode.GOING_AWAY, b"server stops", self.shutdown_timeout)
        if not await _emptied(board.live, self.shutdown_timeout):
            for call in board.calls_live.values():
                call.stop_tools()
            await _emptied(board.live, _STOPPED_TOOLS)
        await _emptied(watchers.live, _REQUESTS)


async def _emptied(live: Live, timeout: float) -> bool:
    """Wait a while until nobody is left; whether that came to be."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await live.emptied()
    return not live


def port_taken(host: str, port: int, error: OSError, setting: str = "BRIDGE_PORT") -> SettingsError:
    """Say why a port cannot be had, and what to do."""
    known = error.errno is not None and error.errno > 0  # a name that is unknown has none of those
    why = os.strerror(error.errno or 0) if known else error.strerror or error
    return SettingsError(
        f"cannot listen on {host}:{port} ({why}): "
        f"stop what uses the port, or set {setting} to another"
    )


def make_web(board: Switchboard, watchers: Watchers, findings: Findings) -> web.Application:
    """What every port has: whether the bridge lives, and the goodbye at its end."""
    app = web.Application(middlewares=[attended])
    app[SWITCHBOARD] = board
    app[WATCHERS] = watchers
    app[FINDINGS] = findings
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def add_calls(app: web.Application) -> None:
    """Serve what Millis dials, and the watching of its calls."""
    board = app[SWITCHBOARD]
    app[KEYS] = board.keys
    app[GUESSES] = board.guesses
    app.router.add_get("/millis", answer)
    app.router.add_get("/millis/{first}", answer)
    app.router.add_get("/millis/{first}/{second}", answer)
    app.router.add_get("/watch/{session}", watch_call)
