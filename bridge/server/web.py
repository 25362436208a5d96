"""The web server: routes, the port, and the goodbye to everybody when it stops."""

import asyncio

from aiohttp import WSCloseCode, web

from bridge.errors import SettingsError
from bridge.server.health import FINDINGS, Findings, healthz, readyz
from bridge.server.socket import SWITCHBOARD, Switchboard, answer
from bridge.server.watching import KEYS, WATCHERS, Watchers, watch_call


class WebServer:
    """Listens on one port; `start` it, and `stop` it to hang up."""

    def __init__(
        self, app: web.Application, *, host: str, port: int, shutdown_timeout: float
    ) -> None:
        self.host = host
        self.port = port
        self._shutdown_timeout = shutdown_timeout
        app.on_shutdown.append(self._hang_up)
        self._runner = web.AppRunner(
            app,
            access_log=None,  # it would print tokens
            shutdown_timeout=shutdown_timeout,
        )

    async def start(self) -> None:
        """Open the port; 0 becomes the one that was free.

        Raises:
            SettingsError: the port cannot be had.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise SettingsError(
                f"cannot listen on {self.host}:{self.port} ({error.strerror or error}): "
                "stop what uses the port, or set BRIDGE_PORT to another"
            ) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Hang up with 1001 and close the port."""
        await self._runner.cleanup()

    async def _hang_up(self, app: web.Application) -> None:
        """Close what is open, so that peers see a goodbye and not a lost connection."""
        board = app[SWITCHBOARD]
        board.draining = True
        async with asyncio.TaskGroup() as closing:
            for outbox in (*board.live, *app[WATCHERS].live):
                closing.create_task(
                    outbox.hang_up(WSCloseCode.GOING_AWAY, b"server stops", self._shutdown_timeout)
                )


def make_web(board: Switchboard, watchers: Watchers, findings: Findings) -> web.Application:
    """Put the routes together."""
    app = web.Application()
    app[SWITCHBOARD] = board
    app[WATCHERS] = watchers
    app[KEYS] = board.keys
    app[FINDINGS] = findings
    app.router.add_get("/millis", answer)
    app.router.add_get("/millis/{first}", answer)
    app.router.add_get("/millis/{first}/{second}", answer)
    app.router.add_get("/watch/{session}", watch_call)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app
