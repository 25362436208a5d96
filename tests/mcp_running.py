"""The MCP server of the tests, run in a process of its own, to be killed and started again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.plugins.mcp.offer import ServerSetup
from bridge.plugins.mcp.server import McpServer
from bridge.settings.mcp import McpSettings
from tests.wire import came_true, noted

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def by_stdio(folder: Path, **more: Any) -> dict[str, Any]:
    """The table of bridge.toml that starts the server."""
    args = ["-m", "tests.mcp_server", str(folder)]
    return {"command": sys.executable, "args": args, "cwd": str(ROOT), **more}


def tables(**servers: dict[str, Any]) -> dict[str, McpSettings]:
    return {name: McpSettings.model_validate(table) for name, table in servers.items()}


def kill_latest(folder: Path) -> None:
    """Kill the process that a stdio server was last started as."""
    os.kill(int(noted(folder, "started")[-1]), signal.SIGKILL)


class HttpServer:
    """The server by streamable HTTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.mcp_server", str(self.folder), str(self.port)),
            cwd=ROOT,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await came_true(self._listens, timeout=20)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def http_server(folder: Path) -> AsyncIterator[HttpServer]:
    server = HttpServer(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def keeping(folder: Path, idle: float = 15.0, **table: Any) -> AsyncIterator[McpServer]:
    """The bridge's side of a server by stdio, connected if it can be."""
    (settings,) = tables(shop=table or by_stdio(folder)).values()
    server = McpServer(ServerSetup("shop", **settings.plain()), idle=idle)
    server.start()
    try:
        async with asyncio.timeout(20):
            await server.tried.wait()
        yield server
    finally:
        await server.stop()
