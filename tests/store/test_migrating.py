import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import SettingsError
from bridge.store.database.database import Database
from bridge.store.database.dialect import MIGRATING
from bridge.store.database.migrating import OURS, Scripts, migrate
from bridge.store.database.migrations import REVISIONS
from bridge.store.database.opening import dialect_of
from bridge.store.database.tables import metadata
from bridge.store.database.transactions import Transactions
from bridge.store.errors import DatabaseAway
from bridge.store.reading.archive import Archive
from bridge.store.shapes import Filters
from tests.store.postgres import outside, somebody_waits
from tests.store.scenes import a_call, seed

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("mood", sa.Text()))
    op.execute("UPDATE calls SET mood = 'cheerful'")
    {then}
"""


def scripts_with_next(folder: Path, then: str = "") -> Scripts:
    """What a newer bridge would have."""
    copied = folder / "migrations 100%"
    shutil.copytree(OURS.folder, copied)
    revision = NEXT.format(newest=OURS.head, then=then)
    (copied / "versions" / "next.py").write_text(revision)
    return Scripts(copied, (*OURS.revisions, "next"))


async def upgrade(url: str, scripts: Scripts) -> None:
    transactions = Transactions(dialect_of(url))
    try:
        await migrate(transactions, scripts)
    finally:
        await transactions.close()


async def catalogue(connection: AsyncConnection) -> set[str]:
    """The database's own description of each table and index."""
    if connection.dialect.name == "sqlite":
        found = await connection.exec_driver_sql(
            "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_master"
        )
        words = [re.sub(r"[\s\"]+", " ", row[0]) for row in found]
        return {re.sub(r" ?([(),]) ?", r"\1", entry) for entry in words}
    columns = await connection.exec_driver_sql(
        "SELECT concat_ws(' ', table_name, column_name, data_type, character_maximum_length,"
        " is_nullable, column_default) FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    indexes = await connection.exec_driver_sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    return {row[0] for row in columns} | {row[0] for row in indexes}


async def test_the_migrated_tables_are_those_that_the_code_means(empty_url: str) -> None:
    database = Database(empty_url)
    async with database.writing() as connection:
        migrated = await catalogue(connection)
        own = await connection.run_sync(lambda line: inspect(line).get_table_names())
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        meant = await catalogue(connection)
    await database.close()

    assert sorted(own) == sorted([*metadata.tables, "alembic_version"])
    assert migrated == meant
    assert any("slowest_ms >= 2000" in entry for entry in migrated)


def test_the_revisions_are_known_without_alembic() -> None:
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(OURS.folder))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(found)) == REVISIONS


async def test_older_tables_become_the_newest_and_keep_what_is_in_them(
    url: str, tmp_path: Path
) -> None:
    database = Database(url)
    await seed(database, a_call("c1"))
    await database.close()

    await upgrade(url, scripts_with_next(tmp_path))
    await upgrade(url, scripts_with_next(tmp_path / "again"))

    transactions = Transactions(dialect_of(url))
    async with transactions.begin("read") as connection:
        found = await connection.execute(text("SELECT id, mood FROM calls"))
        assert [tuple(row) for row in found] == [("c1", "cheerful")]
    await transactions.close()
    with pytest.raises(SettingsError, match="newer bridge"):
        await database.open()


async def test_new_tables_are_made_through_every_revision(empty_url: str, tmp_path: Path) -> None:
    await upgrade(empty_url, scripts_with_next(tmp_path))

    transactions = Transactions(dialect_of(empty_url))
    async with transactions.begin("read") as connection:
        assert list(await connection.execute(text("SELECT mood FROM calls"))) == []
    await transactions.close()


async def test_a_migration_that_fails_leaves_everything_as_it_was(url: str, tmp_path: Path) -> None:
    database = Database(url)
    await seed(database, a_call("c1"))
    async with database.reading() as connection:
        before = await catalogue(connection)
    await database.close()

    with pytest.raises(DatabaseAway):
        await upgrade(url, scripts_with_next(tmp_path, "op.execute('SELECT * FROM no_table')"))

    async with database.reading() as connection:
        assert await catalogue(connection) == before
    assert len((await Archive(database).calls(Filters())).calls) == 1
    await database.close()


_OPEN = """
import asyncio, sys
from bridge.store.database.database import Database

async def main():
    database = Database(sys.argv[1])
    sys.stdin.readline()
    await database.open()
    await database.close()
    print("alembic" in sys.modules)

asyncio.run(main())
"""


async def opened_together(url: str, many: int) -> list[bool]:
    """Have processes open a database at once; which of them had to migrate it."""
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, url, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        for _ in range(many)
    ]
    said = await asyncio.gather(*[process.communicate(b"go\n") for process in processes])
    assert [process.returncode for process in processes] == [0] * many
    return [out.splitlines()[-1] == b"True" for out, _ in said]


async def test_processes_may_make_the_tables_at_once(empty_url: str) -> None:
    assert any(await opened_together(empty_url, 3))

    database = Database(empty_url)
    await seed(database, a_call())
    await database.close()


async def test_alembic_is_not_imported_where_nothing_is_to_be_done(url: str) -> None:
    assert await opened_together(url, 1) == [False]


async def test_who_comes_second_waits_for_the_first(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)

    async with outside(empty_postgres_url) as first:
        async with first.transaction():
            await first.execute(f"SELECT pg_advisory_xact_lock({0x6D62}, {MIGRATING})")
            opening = asyncio.create_task(database.open())
            await somebody_waits(empty_postgres_url)
            assert not opening.done()
        await opening

    await seed(database, a_call())
    await database.close()
