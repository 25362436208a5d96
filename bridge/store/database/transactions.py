"""Transactions that end in time, whatever the database does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Set
from contextlib import asynccontextmanager
from typing import Final, Literal, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.errors import BridgeError
from bridge.store.database.dialect import Dialect
from bridge.store.database.plan import Plan
from bridge.store.errors import DatabaseAway, NotesRefused

Way = Literal["read", "write"]
_T = TypeVar("_T")

DEADLINE: Final = 10.0
"""Seconds that a transaction may take."""
_TIDY: Final = 300.0
"""Seconds that writing a file anew may take."""
_PATIENCE: Final = 5.0
"""Seconds to try for while others are in the way."""
_ASK_AGAIN: Final = 0.02
_END: Final = 3.0
"""Seconds that closing waits for those who have been told to end."""


class Transactions:
    """Connections to one database, for reading and for writing."""

    def __init__(self, kind: Dialect, deadline: float = DEADLINE) -> None:
        self.kind = kind
        self._deadline = deadline
        self.proven = False
        """Whether it has been of use: what is wrong with it later may be mended."""
        self._engines: dict[Way, AsyncEngine] = {
            "write": kind.engine(reading=False),
            "read": kind.engine(reading=True),
        }
        self._foreign: tuple[type[Exception], ...] = (
            DBAPIError,
            PoolTimeoutError,
            OSError,
            TimeoutError,
            *kind.errors,
        )
        self._going: set[asyncio.Timeout] = set()
        self._none_going = asyncio.Event()
        self._none_going.set()
        self._closed = False
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # we tell it in a word

    @asynccontextmanager
    async def begin(
        self, way: Way, *, first: str | None = None, seconds: float | None = None
    ) -> AsyncGenerator[AsyncConnection]:
        """Run what stands in the block as one transaction.

        It is committed at the end of the block, and undone if that raises. `first` may take the
        place of the statement that begins it.

        Raises:
            DatabaseAway: the database is not well, or the time is over.
            NotesRefused: the content is to blame.
            SettingsError: it never will work; only while it is not yet `proven`.
        """
        if first is None:
            first = self.kind.write if way == "write" else self.kind.read
        async with self._bounded(self._deadline if seconds is None else seconds):
            connection = await self._patiently(lambda: _begun(self._engines[way], first))
            async with _ended(connection):
                yield connection

    async def keep(self, plan: Plan) -> Set[str]:
        """Carry out a plan as one transaction; may be repeated.

        Returns:
            Those of its calls that were erased, and of which nothing is kept.

        Raises:
            DatabaseAway, NotesRefused: as with `begin`.
        """
        async with self._bounded(self._deadline):
            return await self._patiently(lambda: self._keep(plan))

    async def tidy(self, *, thoroughly: bool) -> None:
        """Let what was deleted go from the disk, too, as far as that is ours to do."""

        async def attempt() -> None:
            async with _ended(await self._engines["write"].connect()) as connection:
                await self.kind.tidy(connection, thoroughly=thoroughly)

        async with self._bounded(_TIDY):
            await self._patiently(attempt)

    async def close(self) -> None:
        """Cut every connection, quickly, even if the server is frozen.

        What goes on ends with DatabaseAway.
        """
        self._closed = True
        now = asyncio.get_running_loop().time()
        for limit in self._going:
            with contextlib.suppress(RuntimeError):  # it is just running out by itself
                limit.reschedule(now)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END):
                await self._none_going.wait()
        for engine in self._engines.values():
            await engine.dispose()
        await asyncio.sleep(0)  # what was cut is closed in the next round of the event loop

    async def _keep(self, plan: Plan) -> Set[str]:
        connection = await self._engines["write"].connect()
        try:
            line = (await connection.get_raw_connection()).driver_connection
            gone = await self.kind.keep(line, plan)
        except self._foreign as error:
            refused = isinstance(self._meaning(error), NotesRefused)
            await (connection.close() if refused else _cut(connection))
            raise
        except BaseException:
            await _cut(connection)
            raise
        await connection.close()
        return gone

    async def _patiently(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Try once more if a connection from the pool had died; for a while if a file is locked.

        The latter is done here and not in SQLite, where it could not be cancelled.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        died = False
        while True:
            try:
                return await attempt()
            except self._foreign as error:
                meaning = self._meaning(error)
                reason = meaning.reason if isinstance(meaning, DatabaseAway) else ""
                if reason in self.kind.passing and loop.time() < until:
                    await asyncio.sleep(_ASK_AGAIN)
                elif reason == "unreachable" and not died:
                    died = True
                else:
                    raise

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncGenerator[None]:
        """End what takes longer, or goes on when all are closed; tell in our words what failed."""
        try:
            async with asyncio.timeout(-1 if self._closed else seconds) as limit:
                self._going.add(limit)
                self._none_going.clear()
                try:
                    yield
                finally:
                    self._going.discard(limit)
                    if not self._going:
                        self._none_going.set()
        except self._foreign as error:
            raise self._meaning(error) from None  # the driver's words quote what was to be kept

    def _meaning(self, error: BaseException) -> BridgeError:
        told = error
        if isinstance(error, DBAPIError) and error.orig is not None:
            told = error.orig
        if not self.proven and (hopeless := self.kind.hopeless(told)):
            return hopeless
        match error:
            case PoolTimeoutError():
                return DatabaseAway("busy")
            case TimeoutError():
                return DatabaseAway("closed" if self._closed else "slow")
            case _:
                return self.kind.meaning(told)


async def _begun(engine: AsyncEngine, first: str) -> AsyncConnection:
    connection = await engine.connect()
    try:
        await connection.exec_driver_sql(first)
    except Exception:
        await _undo(connection)
        raise
    except BaseException:
        await _cut(connection)
        raise
    return connection


@asynccontextmanager
async def _ended(connection: AsyncConnection) -> AsyncGenerator[AsyncConnection]:
    """Commit at the end, undo if something is raised, throw it away if there is no time."""
    try:
        yield connection
        await connection.commit()
        await connection.close()
    except Exception:
        await _undo(connection)
        raise
    except BaseException:
        await _cut(connection)
        raise


async def _undo(connection: AsyncConnection) -> None:
    """Roll back and give the connection back, or throw it away if that cannot be done."""
    try:
        await connection.rollback()
        await connection.close()
    except BaseException:
        await _cut(connection)
        raise


async def _cut(connection: AsyncConnection) -> None:
    """Throw the connection away without asking the server."""
    await connection.invalidate()
    await connection.close()
