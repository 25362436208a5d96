"""A connection to a SQLite file, in a thread of its own."""

import asyncio
import sqlite3
from typing import Any, Final

import aiosqlite
import orjson
import structlog

from bridge.store.database.plan import Plan

_GIVE_UP: Final = 2.0
"""Seconds to wait for a thread that hangs in the disk."""
_ERASED: Final = "SELECT call_id FROM erased WHERE call_id IN (SELECT value FROM json_each(?))"
_log = structlog.get_logger(__name__)


class Line(aiosqlite.Connection):
    """A connection whose closing waits neither for a long statement nor for a dead disk."""

    _stopped: asyncio.Future[Any] | None = None

    async def opened(self) -> "Line":
        """Open it. If that fails, its thread has ended, too."""
        self._thread.daemon = True  # SQLAlchemy does the same to its own
        try:
            _ = await self
        except BaseException:
            await self._ended()
            raise
        return self

    def stop(self) -> asyncio.Future[Any] | None:
        """Have the thread close the file, and end."""
        self._stopped = super().stop()
        return self._stopped

    async def close(self) -> None:
        """Stop what runs, and close."""
        if self._connection is None:
            return
        file = self._connection
        file.interrupt()
        # An interrupt holds until the next statement; closing would not empty the log of changes.
        self._tx.put_nowait((None, lambda: file.execute("SELECT 1").close()))
        self.stop()
        await self._ended()

    def stop_statement(self) -> None:
        """Have the statement that runs now fail."""
        self._conn.interrupt()

    async def keep(self, plan: Plan) -> set[str]:
        """Carry out a plan, all in one visit to the thread: each costs the event loop a while."""
        gone: set[str] = await self._execute(_keep, self._conn, plan)  # type: ignore[no-untyped-call]
        return gone

    async def _ended(self) -> None:
        if self._stopped is not None:
            _, hangs = await asyncio.wait({self._stopped}, timeout=_GIVE_UP)
            if hangs:
                _log.error("a thread hangs in the database file")


def _keep(file: sqlite3.Connection, plan: Plan) -> set[str]:
    file.execute("BEGIN IMMEDIATE")
    try:
        named = orjson.dumps(plan.calls).decode()
        gone = {row[0] for row in file.execute(_ERASED, (named,))}
        for sql, rows in plan.without(gone):
            file.executemany(sql, rows)
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise
    return gone
