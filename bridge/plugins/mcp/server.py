"""One MCP server: a task that keeps one connection to it, for as long as the bridge runs."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import structlog
from mcp import ClientSession, McpError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    PaginatedRequestParams,
    ServerNotification,
    Tool,
    ToolListChangedNotification,
)

from bridge.errors import ToolError
from bridge.plugins.failures import one_line
from bridge.plugins.mcp.connection import Session, connected
from bridge.plugins.mcp.offer import Offer, ServerSetup
from bridge.plugins.mcp.tools import tools_of
from bridge.plugins.mcp.trouble import CLOSED, SILENT, is_over, why

_log = structlog.get_logger(__name__)

AWAY: Final = "The service is not there just now. Nothing was done."
LOST: Final = "The connection to the service was lost. It may or may not have been done."

CONNECTING: Final = 30.0
"""Seconds for the handshake and the list of tools; the first start of a program may be slow."""
IDLE: Final = 15.0
"""Seconds between two looks whether a server is still there."""
BUSY: Final = 1.0
"""The same while a tool runs: over HTTP, mcp 1 does not notice that nobody will answer."""
PONG: Final = 5.0
"""Seconds to answer that."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the next try to connect."""
STAYED: Final = 10.0
"""Seconds after which a connection was a good one, and the pauses begin anew."""
MOST_PAGES: Final = 20
LEAVING: Final = 2.0
"""Seconds to say goodbye to a server that is reached by HTTP."""
ENDING: Final = 5.0
"""Seconds for a process: two to end by itself, two after SIGTERM; then it is killed."""


class McpServer:
    """Reached in the background, again and again; what it offers is in `offer`."""

    def __init__(self, setup: ServerSetup, *, idle: float = IDLE) -> None:
        self.setup = setup
        self._idle = idle
        self.offer = Offer(setup.name, setup.prefix, problems=("not reached yet",))
        self.tried = asyncio.Event()
        """Set when it was reached, or could not be, for the first time."""
        self._session: Session | None = None
        self._lost: asyncio.Future[None] | None = None
        self._stirred = asyncio.Event()
        self._changed = False
        self._in_flight = 0
        self._told: tuple[str, ...] = ()
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._keeping = asyncio.create_task(self._keep(), name=f"mcp {self.setup.name}")

    async def stop(self) -> None:
        """Disconnect; a process that does not end is killed."""
        if self._keeping is None:
            return
        self._keeping.cancel()
        patience = LEAVING if self.setup.command is None else ENDING
        _, late = await asyncio.wait({self._keeping}, timeout=patience)
        for task in late:
            task.cancel()
            await asyncio.wait({task}, timeout=LEAVING)

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Run a tool.

        Raises:
            ToolError: the server is not there, or went away meanwhile.
            McpError: it refuses.
        """
        session, lost = self._session, self._lost
        if session is None or lost is None:
            raise ToolError(AWAY)
        asking = asyncio.create_task(session.call_tool(tool, arguments), name=f"mcp {tool}")
        self._in_flight += 1
        try:
            while not (asking.done() or lost.done()):
                ends: set[asyncio.Future[Any]] = {asking, lost}
                done, _ = await asyncio.wait(ends, timeout=BUSY, return_when="FIRST_COMPLETED")
                if not done:
                    self._stirred.set()
        finally:
            self._in_flight -= 1
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})
        return _result(asking)

    # ── the connection ──

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            began = clock()
            try:
                reason = await self._one_connection()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                reason = CLOSED  # anyio's own, of a connection that is no more
            except Exception as error:  # noqa: BLE001 - foreign code reads what a server sends
                reason = why(error)
                _log.debug("mcp server", server=self.setup.name, exc_info=error)
            self._away(reason)
            pause = FIRST_PAUSE if clock() - began > STAYED else pause
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_connection(self) -> str:
        """Connect, and stay; why it ended."""
        async with connected(self.setup, self._heard) as session:
            try:
                async with asyncio.timeout(CONNECTING):
                    await session.initialize()
                    await self._take_stock(session)
                self._lost = asyncio.get_running_loop().create_future()
                self._session = session
                return await self._stay(session)
            finally:
                self._session = None
                self.offer = replace(self.offer, tools=(), away=True, problems=(CLOSED,))
                if self._lost is not None and not self._lost.done():
                    self._lost.set_result(None)

    async def _stay(self, session: Session) -> str:
        while True:
            self._stirred.clear()
            stirred = asyncio.create_task(self._stirred.wait(), name="mcp stirred")
            try:
                news: set[asyncio.Future[Any]] = {session.over, stirred}
                await asyncio.wait(news, timeout=self._idle, return_when="FIRST_COMPLETED")
            finally:
                stirred.cancel()
            if session.over.done():
                return CLOSED
            if self._changed:
                self._changed = False
                async with asyncio.timeout(CONNECTING):
                    await self._take_stock(session)
                # A server that changes all the time is read now and then.
                await asyncio.wait({session.over}, timeout=BUSY)
            elif not await self._answers(session):
                return CLOSED if session.over.done() else SILENT

    async def _answers(self, session: Session) -> bool:
        if self._in_flight and self.setup.command is not None:
            return True  # the end of a process is seen at once; one that works may be slow
        try:
            async with asyncio.timeout(PONG):
                await session.send_ping()
        except TimeoutError:
            return self._in_flight > 0  # the tool has a time limit of its own
        except McpError as error:
            return not is_over(error)
        return True

    async def _heard(self, message: object) -> None:
        if isinstance(message, ServerNotification) and isinstance(
            message.root, ToolListChangedNotification
        ):
            self._changed = True
            self._stirred.set()

    # ── what it offers ──

    async def _take_stock(self, session: Session) -> None:
        offered: list[Tool] = []
        async with aclosing(_pages(session)) as pages:
            async for page in pages:
                offered += page
        tools, problems = tools_of(self.setup, offered, session, self.call)
        self.offer = replace(
            self.offer,
            tools=tuple(tools),
            known=tuple(tool.name for tool in tools),
            away=False,
            problems=tuple(problems),
        )
        self.tried.set()
        _log.info("mcp server's tools read", server=self.setup.name, tools=len(tools))
        for problem in problems:
            if problem not in self._told:
                _log.warning("mcp server", server=self.setup.name, problem=problem)
        self._told = tuple(problems)

    def _away(self, reason: str) -> None:
        if reason not in self._told:
            _log.warning("mcp server away", server=self.setup.name, reason=reason)
        self._told = (reason,)
        self.offer = replace(self.offer, tools=(), away=True, problems=(reason,))
        self.tried.set()


async def _pages(session: ClientSession) -> AsyncGenerator[list[Tool]]:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        yield page.tools
        cursor = page.nextCursor
        if not cursor:
            return


def _result(asking: "asyncio.Task[CallToolResult]") -> CallToolResult:
    if asking.cancelled():
        raise ToolError(LOST, maybe_done=True)
    error = asking.exception()
    if error is None:
        return asking.result()
    if isinstance(error, McpError) and not is_over(error):
        if error.error.code == INVALID_PARAMS:
            raise ToolError(one_line(error.error.message))
        raise error
    raise ToolError(LOST, maybe_done=True) from error
