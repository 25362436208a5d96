"""The record in a PostgreSQL server, for several replicas: through asyncpg."""

from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.errors import BridgeError, SettingsError
from bridge.store.database.dialect import ENGINE, ERASING
from bridge.store.database.plan import Plan
from bridge.store.errors import DatabaseAway, NotesRefused, Reason

_CONNECT: Final = 5.0
"""Seconds to connect in."""
_OPTIONS: Final = frozenset({"ssl", "host", "port", "passfile", "target_session_attrs"})
"""What may stand after the ? of a URL."""
_OTHER_NAMES: Final = {"sslmode": "ssl"}  # libpq's words for the same
_OURS: Final = 0x6D62
"""First half of the numbers of our advisory locks: other programs may have theirs."""

# The server gives up by itself, too: a statement that waits for a lock would wait on after its
# connection has been thrown away, and there would be more of them with each new try. As statements
# within the transaction, because poolers refuse options of connections.
_BOUNDED: Final = (
    "SELECT set_config('lock_timeout', '5000', true), set_config('statement_timeout', '9000', true)"
)

_UNHURRIED: Final = (
    "SELECT set_config('lock_timeout', '60000', true), set_config('statement_timeout', '0', true)"
)
_KEEP: Final = f"BEGIN; {_BOUNDED}; SELECT pg_advisory_xact_lock_shared({_OURS}, {ERASING})"
_ERASED: Final = "SELECT call_id FROM erased WHERE call_id = ANY($1::varchar[])"

_AWAY: Final[dict[str, Reason]] = {
    "08": "unreachable",
    "25006": "read_only",
    "25": "slow",  # idle in transaction for too long
    "28": "refused",
    "3D": "refused",
    "3F": "schema",
    "40": "conflict",  # of two that wait for each other, the server ends one
    "42501": "refused",
    "42": "schema",
    "53100": "disk_full",
    "53": "busy",
    "55": "locked",
    "57014": "slow",
    "57": "unreachable",
    "58": "disk",
    "XX": "corrupt",
}
"""By SQLSTATE or its class."""
_REFUSED: Final = {"22": "type", "23": "constraint", "54": "too_big"}


class _Line(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is closed by cutting it: the server may be frozen.

    asyncpg's own way asks the server first, and SQLAlchemy waits two seconds for that while a task
    is being cancelled.
    """

    async def close(self, *, timeout: float | None = None) -> None:
        """Cut it."""
        self.terminate()


class PostgreSQL:
    """A database on a server. Several replicas may share it.

    Raises:
        SettingsError: its URL has an option that is not known.
    """

    name = "postgresql"
    passing = frozenset({"conflict"})
    errors = (asyncpg.PostgresError, asyncpg.InterfaceError)
    write = _BOUNDED
    read = _BOUNDED

    def __init__(self, url: URL, shown: str) -> None:
        self.shown = shown
        query = {_OTHER_NAMES.get(name, name): value for name, value in url.query.items()}
        if strange := sorted(query.keys() - _OPTIONS):
            raise SettingsError(
                f"BRIDGE_DATABASE_URL: unknown option {strange[0]!r}; remove it, or use one of "
                f"{', '.join(sorted(_OPTIONS))}"
            )
        self._url = url.set(query=query)

    def engine(self, *, reading: bool) -> AsyncEngine:
        """Make an engine."""
        return create_async_engine(
            self._url,
            pool_size=2,
            max_overflow=2,
            pool_timeout=5,
            pool_use_lifo=True,
            connect_args={
                "connection_class": _Line,
                "timeout": _CONNECT,
                "server_settings": {"application_name": "millis-bridge"},
            },
            **ENGINE,
        )

    async def keep(self, line: Any, plan: Plan) -> set[str]:
        """Carry out a plan.

        The lock is shared: replicas may save together, but none while another erases. It would see
        our rows no more than we its stones.
        """
        await line.execute(_KEEP)
        try:
            gone = {row[0] for row in await line.fetch(_ERASED, plan.calls)}
            for sql, rows in plan.without(gone):
                await line.executemany(sql, rows)
            await line.execute("COMMIT")
        except Exception:
            if not line.is_closed():
                await line.execute("ROLLBACK")
            raise
        return gone

    async def look_over(self, connection: AsyncConnection) -> None:
        """Nothing to do: the server looks after its files."""

    async def take_time(self, connection: AsyncConnection) -> None:
        """Lift the limits, but for that on waiting."""
        await connection.exec_driver_sql(_UNHURRIED)

    async def lock(self, connection: AsyncConnection, what: int) -> None:
        """Take an advisory lock until the transaction ends."""
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_OURS}, {what})")

    async def tidy(self, connection: AsyncConnection, *, thoroughly: bool) -> None:
        """Nothing to do: the server's vacuum comes by itself."""

    def meaning(self, error: BaseException) -> BridgeError:
        """What an exception of asyncpg's means, by its SQLSTATE."""
        state = getattr(error, "sqlstate", None)
        if not isinstance(state, str):
            refused = isinstance(error.__cause__ or error, asyncpg.DataError)
            return NotesRefused("type") if refused else DatabaseAway("unreachable")
        if state[:2] in _REFUSED:
            return NotesRefused(_REFUSED[state[:2]])
        return DatabaseAway(_AWAY.get(state) or _AWAY.get(state[:2], "fault"))

    def hopeless(self, error: BaseException) -> SettingsError | None:
        """Why there is no point in trying again."""
        state: Any = getattr(error, "sqlstate", None) or ""
        match state[:2]:
            case "28":
                why = "the user or the password is wrong; correct BRIDGE_DATABASE_URL"
            case "3D":
                why = "there is no such database; create it, or correct BRIDGE_DATABASE_URL"
            case "3F" | "42" if state in {"3F000", "42501"}:
                why = "the user may not make tables in it; grant CREATE on its schema"
            case _ if isinstance(error.__cause__ or error, asyncpg.ClientConfigurationError):
                why = "an option of BRIDGE_DATABASE_URL is wrong; correct it"
            case _:
                return None
        return SettingsError(f"database {self.shown}: {why}")
