"""One connection to an MCP server. What it opens is left in the task that has entered it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import httpx
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, StdioServerParameters
from mcp.client.session import MessageHandlerFnT
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import MessageMetadata, SessionMessage
from mcp.shared.session import ProgressFnT
from mcp.types import (
    CancelledNotification,
    CancelledNotificationParams,
    ClientNotification,
    ClientRequest,
    Implementation,
)
from pydantic import BaseModel

from bridge import __version__
from bridge.plugins.mcp.offer import ServerSetup

log = structlog.get_logger(__name__)

FAREWELL: Final = 0.5
"""Seconds that telling the server of a cancelled request may take."""
_TIMEOUT: Final = httpx.Timeout(5.0, read=300.0)
"""Seconds; a tool that takes longer without a word is given up before by its own limit."""

ResultT = TypeVar("ResultT", bound=BaseModel)
Heard = MessageHandlerFnT


class Session(ClientSession):
    """A session that knows when it is over, and tells the server what nobody waits for any more.

    mcp 1 does neither (python-sdk #2507, #1577).
    """

    def __init__(
        self,
        incoming: MemoryObjectReceiveStream[SessionMessage | Exception],
        outgoing: MemoryObjectSendStream[SessionMessage],
        heard: Heard,
    ) -> None:
        super().__init__(
            incoming,
            outgoing,
            message_handler=heard,
            client_info=Implementation(name="millis-bridge", version=__version__),
        )
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when nothing can come any more."""

    async def _receive_loop(self) -> None:
        try:
            await super()._receive_loop()
        finally:
            if not self.over.done():
                self.over.set_result(None)

    async def send_request(
        self,
        request: ClientRequest,
        result_type: type[ResultT],
        request_read_timeout_seconds: timedelta | None = None,
        metadata: MessageMetadata = None,
        progress_callback: ProgressFnT | None = None,
    ) -> ResultT:
        """Send a request and wait for its result."""
        number = self._request_id
        try:
            return await super().send_request(
                request, result_type, request_read_timeout_seconds, metadata, progress_callback
            )
        except asyncio.CancelledError:
            await self._withdraw(number)
            raise

    async def _withdraw(self, number: int) -> None:
        params = CancelledNotificationParams(requestId=number, reason="nobody waits for it")
        note = CancelledNotification(params=params)
        try:
            async with asyncio.timeout(FAREWELL):
                await self.send_notification(ClientNotification(note))
        except Exception as error:  # noqa: BLE001 - the connection may be gone, in many ways
            log.debug("an MCP server is not told of a cancel", error=type(error).__name__)


@asynccontextmanager
async def connected(setup: ServerSetup, heard: Heard) -> AsyncIterator[Session]:
    """Reach a server; `heard` gets what it says unasked. Nothing has been said to it yet."""
    if setup.command is not None:
        server = StdioServerParameters(
            command=setup.command, args=list(setup.args), env=dict(setup.env), cwd=setup.cwd
        )
        # What it writes to stderr is its own affair, and may quote its secrets.
        with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - no disk behind it
            async with (
                stdio_client(server, nowhere) as (incoming, outgoing),
                Session(incoming, outgoing, heard) as session,
            ):
                yield session
        return
    url = str(setup.url)
    # Reading the certificates takes a tenth of a second: not on the event loop, nor for nothing.
    secure = url.startswith("https:")
    verify = await asyncio.to_thread(httpx.create_ssl_context) if secure else False
    client = httpx.AsyncClient(headers=setup.headers, timeout=_TIMEOUT, verify=verify)
    async with (
        client,
        streamable_http_client(url, http_client=client) as (incoming, outgoing, _),
        Session(incoming, outgoing, heard) as session,
    ):
        yield session
