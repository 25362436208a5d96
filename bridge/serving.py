"""What is served, and on which port: Millis's, and the operator's, which may be one of its own."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.local.browser.route import FindDoor, add_local_millis
from bridge.server.api import FindArchive, add_api
from bridge.server.console.exhibit import Exhibit
from bridge.server.console.routes import Watching, add_console
from bridge.server.console.visitors import Visitors
from bridge.server.descriptors import Exhaustion
from bridge.server.health import Findings
from bridge.server.loopback import only_from_here
from bridge.server.metrics import Page, add_metrics
from bridge.server.readers import Readers
from bridge.server.socket import Switchboard
from bridge.server.web import App, WebServer, add_calls, make_web
from bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Operating:
    """What an operator looks at."""

    archive: FindArchive
    metrics: Page
    exhibit: Exhibit
    watching: Watching
    door: FindDoor


class Ports:
    """The ports of one bridge; `start` them, and `stop` them to hang up."""

    def __init__(
        self,
        settings: Settings,
        board: Switchboard,
        findings: Findings,
        operating: Operating,
        listening: Sequence[socket.socket] = (),
    ) -> None:
        """`listening`: sockets that are open already, in the order of the ports."""
        watchers = operating.watching.watchers
        calls = make_web(board, watchers, findings)
        add_calls(calls)
        places = [(calls, settings.host, settings.port, "BRIDGE_PORT")]
        if settings.admin_port is None:
            _add_operating(calls, operating, settings, board, settings.host)
        else:
            apart = make_web(board, watchers, findings)
            _add_operating(apart, operating, settings, board, settings.admin_host)
            places.append((apart, settings.admin_host, settings.admin_port, "BRIDGE_ADMIN_PORT"))
        self._servers = [
            WebServer(
                app,
                host=host,
                port=port,
                setting=setting,
                shutdown_timeout=settings.shutdown_timeout,
                listening=listening[number] if listening else None,
            )
            for number, (app, host, port, setting) in enumerate(places)
        ]

    @property
    def calls(self) -> WebServer:
        """Where Millis dials."""
        return self._servers[0]

    @property
    def operating(self) -> WebServer:
        """Where metrics, console and API are."""
        return self._servers[-1]

    async def start(self) -> None:
        """Open them.

        Raises:
            SettingsError: one cannot be had.
        """
        asyncio.get_running_loop().set_exception_handler(Exhaustion())
        for server in reversed(self._servers):  # no call before all is there
            await server.start()

    async def stop(self) -> None:
        """Hang up, and close them; what an operator looks at is there until the end."""
        for server in self._servers:
            await server.stop()
        asyncio.get_running_loop().set_exception_handler(None)

    def hurry(self, seconds: float) -> None:
        """Have calls take no longer than that to end when they are hung up."""
        for server in self._servers:
            server.shutdown_timeout = min(server.shutdown_timeout, seconds)


def _add_operating(
    app: App, operating: Operating, settings: Settings, board: Switchboard, host: str
) -> None:
    readers = Readers(settings.api_tokens, board.guesses)
    visitors = Visitors(settings.console_tokens, board.guesses)
    add_api(app, operating.archive, readers)
    add_metrics(app, operating.metrics, readers)
    add_console(app, operating.exhibit, operating.archive, operating.watching, visitors)
    admit = visitors.beside(only_from_here(host, local_pages=True))
    add_local_millis(app, admit, operating.door)
