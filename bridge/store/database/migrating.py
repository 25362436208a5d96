"""Bringing the tables up to date, once, however many processes start together."""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import SettingsError
from bridge.store.database.dialect import MIGRATING
from bridge.store.database.migrations import REVISIONS
from bridge.store.database.tables import metadata
from bridge.store.database.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Scripts:
    """How the tables came to be."""

    folder: Path
    revisions: tuple[str, ...]
    """Oldest first."""

    @property
    def head(self) -> str:
        """The newest."""
        return self.revisions[-1]


OURS: Final = Scripts(Path(__file__).with_name("migrations"), REVISIONS)
_DEADLINE: Final = 600.0
"""Seconds that a migration may take: it may have to write millions of rows anew."""

_log = structlog.get_logger(__name__)


async def migrate(transactions: Transactions, scripts: Scripts = OURS) -> None:
    """Check that this is the record's database, undamaged, and make its tables the newest.

    Raises:
        SettingsError: it is somebody else's, damaged, or of a newer bridge.
        DatabaseAway: it cannot be reached, or somebody else migrates it and takes long.
    """
    kind = transactions.kind
    # A SQLite file need not be locked for looking; its log of changes may have to be made, though.
    first = "BEGIN" if kind.name == "sqlite" else None
    async with transactions.begin("write", first=first) as connection:
        if not transactions.proven:
            await kind.look_over(connection)
        if await revision_of(connection, kind.shown, scripts) == scripts.head:
            return
    # Half a second: not in the event loop, where calls may be going on.
    await asyncio.to_thread(import_module, "alembic.command")
    async with transactions.begin("write", seconds=_DEADLINE) as connection:
        await kind.take_time(connection)
        await kind.lock(connection, MIGRATING)
        before = await revision_of(connection, kind.shown, scripts)
        if before != scripts.head:
            await connection.run_sync(_upgrade, scripts.folder)
            _log.info("the record's tables are up to date", before=before, now=scripts.head)


async def revision_of(connection: AsyncConnection, shown: str, scripts: Scripts) -> str | None:
    """Which revision the tables are of; None if there are none.

    Raises:
        SettingsError: they are somebody else's, or of a newer bridge.
    """
    tables = set(await connection.run_sync(lambda line: inspect(line).get_table_names()))
    if "alembic_version" not in tables:
        if strange := sorted(tables & metadata.tables.keys()):
            raise SettingsError(
                f"database {shown}: its table {strange[0]!r} is not the bridge's; name a database "
                "of its own by BRIDGE_DATABASE_URL"
            )
        return None
    found = list(await connection.scalars(text("SELECT version_num FROM alembic_version")))
    version: str | None = found[0] if found else None
    if len(found) > 1 or (version is not None and version not in scripts.revisions):
        raise SettingsError(
            f"database {shown}: its tables are those of a newer bridge, or of another program "
            f"({version}); upgrade millis-bridge, or name another database by BRIDGE_DATABASE_URL"
        )
    return version


def _upgrade(connection: Connection, folder: Path) -> None:
    command = import_module("alembic.command")
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
