"""The record in a file: SQLite through aiosqlite."""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any, Final, cast

import structlog
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.errors import BridgeError, SettingsError
from bridge.store.database.dialect import ENGINE
from bridge.store.database.plan import Plan
from bridge.store.database.sqlite_line import Line
from bridge.store.errors import DatabaseAway, NotesRefused, Reason

_PRAGMAS: Final = (
    # Short, so that who waits for a lock can be cancelled: `Database` asks again for longer.
    "PRAGMA busy_timeout = 250",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -16000",
)
_LOOK_OVER: Final = 1.0
"""Seconds that looking for damage may take: enough for some 100 MB."""
_ANEW: Final = 1 << 30
"""Bytes of a file that is written anew to erase calls from it: that takes half a minute."""
_TIDY: Final = 20
"""Tries to empty the log of changes while somebody reads: a second in all."""

_AWAY: Final[dict[int, Reason]] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_FULL: "disk_full",
    sqlite3.SQLITE_IOERR: "disk",
    sqlite3.SQLITE_CANTOPEN: "disk",
    sqlite3.SQLITE_NOMEM: "memory",
    sqlite3.SQLITE_INTERRUPT: "slow",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_ERROR: "schema",
    sqlite3.SQLITE_SCHEMA: "schema",
}
_REFUSED: Final = {
    sqlite3.SQLITE_CONSTRAINT: "constraint",
    sqlite3.SQLITE_TOOBIG: "too_big",
    sqlite3.SQLITE_MISMATCH: "type",
    sqlite3.SQLITE_RANGE: "type",
}
_log = structlog.get_logger(__name__)


class SQLite:
    """A file. Several processes of one machine may share it."""

    name = "sqlite"
    passing = frozenset({"locked"})
    errors = (sqlite3.Error, OverflowError, UnicodeError)
    write = "BEGIN IMMEDIATE"
    read = "BEGIN"

    def __init__(self, url: URL, shown: str) -> None:
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            raise SettingsError("BRIDGE_DATABASE_URL: the record needs a file: sqlite:///calls.db")
        self._url = url.set(query={})
        self._path = Path(url.database)
        self.shown = shown

    def engine(self, *, reading: bool) -> AsyncEngine:
        """Make an engine: one line for writing, or some for reading."""

        def connect() -> sqlite3.Connection:  # in the thread of the line
            if not reading:
                _create(self._path)
            there = f"{self._path.absolute().as_uri()}?mode=rw"
            line = sqlite3.connect(there, uri=True, timeout=0.25, isolation_level=None)
            try:
                for pragma in _PRAGMAS:
                    line.execute(pragma)
                mode = "query_only = ON" if reading else "journal_mode = WAL"
                line.execute(f"PRAGMA {mode}").fetchall()
            except BaseException:
                line.close()
                raise
            return line

        return create_async_engine(
            self._url,
            async_creator=lambda: Line(connect, 64).opened(),
            pool_size=2 if reading else 1,
            max_overflow=0,
            pool_timeout=10,
            **ENGINE,
        )

    async def keep(self, line: Any, plan: Plan) -> set[str]:
        """Carry out a plan."""
        found: set[str] = await line.keep(plan)
        return found

    async def look_over(self, connection: AsyncConnection) -> None:
        """Look for damage, for a second at most."""
        line = cast("Line", (await connection.get_raw_connection()).driver_connection)
        enough = asyncio.get_running_loop().call_later(_LOOK_OVER, line.stop_statement)
        try:
            found = await connection.exec_driver_sql("PRAGMA quick_check(1)")
            if found.scalar_one() != "ok":
                raise self._damaged()
        except DBAPIError as error:
            if _code(error.orig) != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            enough.cancel()

    async def take_time(self, connection: AsyncConnection) -> None:
        """Nothing to do: a file sets no limits."""

    async def lock(self, connection: AsyncConnection, what: int) -> None:
        """Nothing to do: there is one writer at a time."""

    async def tidy(self, connection: AsyncConnection, *, thoroughly: bool) -> None:
        """Write over what was deleted, and empty the log of changes.

        SQLite does the former as it deletes (secure_delete), but not to the copies that it leaves
        in unused parts of its pages when it moves rows; only writing the whole file anew does.
        """
        if thoroughly and self._path.stat().st_size <= _ANEW:
            await connection.exec_driver_sql("VACUUM")
        elif thoroughly:
            _log.warning(
                "the database file is large: what was erased may be found in it yet; VACUUM"
            )
        for _ in range(_TIDY):
            found = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            if not found.one()[0]:
                return
            await asyncio.sleep(0.05)
        _log.warning("the database's log holds what was erased until nobody reads it any more")

    def meaning(self, error: BaseException) -> BridgeError:
        """What an exception of sqlite3's means, by its code."""
        if isinstance(error, OSError):
            return DatabaseAway("disk")
        code = _code(error)
        if code is None and not isinstance(error, sqlite3.OperationalError):
            return NotesRefused("type")  # it never came to the database: no value that it knows
        if code is None:
            return DatabaseAway("unreachable")
        if code in _REFUSED:
            return NotesRefused(_REFUSED[code])
        reason = _AWAY.get(code, "fault")
        if reason == "corrupt":
            _log.critical("the database file is damaged: restore it from a copy", file=self.shown)
        return DatabaseAway(reason)

    def hopeless(self, error: BaseException) -> SettingsError | None:
        """Why there is no point in trying again."""
        if isinstance(error, PermissionError):
            code: int | None = sqlite3.SQLITE_PERM
        elif isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            code = sqlite3.SQLITE_CANTOPEN
        else:
            code = _code(error)
        match code:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return self._damaged()
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                why = "it cannot be written; correct its permissions and its folder's"
            case sqlite3.SQLITE_CANTOPEN:
                why = "it cannot be opened; its folder must exist and be writable"
            case _:
                return None
        other = "or name another by BRIDGE_DATABASE_URL"
        return SettingsError(f"database {self.shown}: {why}, {other}")

    def _damaged(self) -> SettingsError:
        return SettingsError(
            f"database {self.shown}: damaged, or no SQLite file; restore it from a copy, or move "
            "it away to begin a new one"
        )


def _create(path: Path) -> None:
    """Make the file for its owner only; what SQLite puts beside it takes the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _code(error: BaseException | None) -> int | None:
    """SQLite's primary result code."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
