"""All MCP servers of a bridge, started and stopped together."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, Self

from bridge.plugins.mcp.offer import Offer

PATIENCE: Final = 5.0
"""Seconds to wait at first for servers, so that the first call has their tools."""


class Server(Protocol):
    """One server, reached in the background."""

    offer: Offer
    tried: asyncio.Event
    """Set when it was reached, or could not be, for the first time."""

    def start(self) -> None:
        """Begin to connect."""

    async def stop(self) -> None:
        """Disconnect."""


class McpServers:
    """Enter it to connect, leave it to disconnect; one that is dead keeps nobody from starting."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What each has to offer now."""
        return tuple(server.offer for server in self._servers)

    async def __aenter__(self) -> Self:
        """Begin to connect, and wait a while for those that are there."""
        for server in self._servers:
            server.start()
        waiting = [asyncio.create_task(one.tried.wait(), name="mcp tried") for one in self._servers]
        try:
            if waiting:
                await asyncio.wait(waiting, timeout=PATIENCE)
        except asyncio.CancelledError:
            await self._stop()
            raise
        finally:
            for task in waiting:
                task.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect from all at once."""
        await self._stop()

    async def _stop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for server in self._servers:
                group.create_task(server.stop(), name="mcp stop")
