import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from bridge.errors import SettingsError
from bridge.store.database.database import Database
from bridge.store.database.opening import dialect_of, shown
from bridge.store.database.transactions import Transactions
from bridge.store.errors import DatabaseAway
from tests.store.conftest import sqlite_at
from tests.store.postgres import run
from tests.store.scenes import a_call, seed

NOBODY = 65534


def path_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def other(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


async def refusal(url: str) -> str:
    """What is said of a database that cannot be the record's."""
    database = Database(url)
    with pytest.raises(SettingsError) as refused:
        await database.open()
    await database.close()
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None
    return str(refused.value)


# ── what a URL shows ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("sqlite+aiosqlite:///calls.db", "calls.db"),
        ("sqlite+aiosqlite:////var/lib/calls.db", "/var/lib/calls.db"),
        ("postgresql+asyncpg://me:s3cret@db.example:6543/calls", "postgresql://me@db.example:6543/calls"),
        ("postgresql+asyncpg://db/calls?password=s3cret&ssl=require", "postgresql://db/calls"),
        ("postgresql+asyncpg://me:s3cret@[::1]/calls", "postgresql://me@[::1]/calls"),
        ("postgresql+asyncpg://me:s3cret@db:port/calls", "unknown"),
        ("s3cret", "unknown"),
    ],
)  # fmt: skip
def test_a_shown_url_has_no_password(url: str, seen: str) -> None:
    assert shown(url) == seen


@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "mysql://me:s3cret@db/calls",
        "postgresql+asyncpg://me:s3cret@db:port/calls",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:calls.db?uri=true",
    ],
)
async def test_a_url_that_is_no_database_of_the_record_is_refused(url: str) -> None:
    said = await refusal(url)

    assert "BRIDGE_DATABASE_URL" in said
    assert "s3cret" not in said


def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bridge.store.database.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(SettingsError, match=r"pip install 'millis-bridge\[postgres\]'"):
        dialect_of("postgresql+asyncpg://db/calls")


# ── a file ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
async def test_a_new_file_and_what_lies_beside_it_are_its_owners_only(
    empty_sqlite_url: str,
) -> None:
    database = Database(empty_sqlite_url)
    await seed(database, a_call())

    path = path_of(empty_sqlite_url)
    found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await database.close()

    assert found == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


async def test_the_mode_of_a_file_that_is_there_stays_as_its_owner_made_it(sqlite_url: str) -> None:
    path_of(sqlite_url).chmod(0o640)

    database = Database(sqlite_url)
    await seed(database, a_call())
    await database.close()

    assert stat.S_IMODE(path_of(sqlite_url).stat().st_mode) == 0o640


async def test_a_file_is_written_as_the_record_needs_it(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    pragmas = {"journal_mode": "wal", "synchronous": 1, "secure_delete": 1}

    async with database.writing() as connection:
        found = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in pragmas
        }
    await database.close()

    assert found == pragmas


async def test_reading_a_file_cannot_change_it(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    with pytest.raises(DatabaseAway):
        async with database.reading() as connection:
            await connection.exec_driver_sql("DELETE FROM calls")
    await database.close()


async def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = await refusal(sqlite_at(tmp_path / "none" / "calls.db"))

    assert str(tmp_path / "none" / "calls.db") in said
    assert "folder" in said


@pytest.mark.parametrize("content", [b"calls, calls, calls\n" * 100, b"SQLite format 3\0" * 300])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    empty_sqlite_url: str, content: bytes
) -> None:
    path = path_of(empty_sqlite_url)
    path.write_bytes(content)

    said = await refusal(empty_sqlite_url)

    assert "damaged" in said
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "Grüße #1 'x'.db", "a&b=c.db"])
async def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    url = URL.create("sqlite+aiosqlite", database=str(tmp_path / name))
    database = Database(url.render_as_string())
    await seed(database, a_call())
    await database.close()

    assert names_in(tmp_path) == [name]


async def test_reading_alone_makes_no_file(tmp_path: Path) -> None:
    transactions = Transactions(dialect_of(sqlite_at(tmp_path / "calls.db")))

    with pytest.raises(SettingsError, match="folder must exist"):
        async with transactions.begin("read"):
            pass
    await transactions.close()

    assert names_in(tmp_path) == []


async def test_a_file_of_no_bytes_becomes_the_record(empty_sqlite_url: str) -> None:
    path_of(empty_sqlite_url).touch()

    database = Database(empty_sqlite_url)
    await seed(database, a_call())
    await database.close()


async def a_file_with_calls(url: str) -> bytes:
    database = Database(url)
    await seed(database, *[a_call(f"c{number}", turns=20) for number in range(50)])
    await database.close()
    return path_of(url).read_bytes()


async def test_a_file_that_was_cut_off_is_refused_and_left_alone(sqlite_url: str) -> None:
    content = await a_file_with_calls(sqlite_url)
    path_of(sqlite_url).write_bytes(content[: len(content) // 2])

    said = await refusal(sqlite_url)

    assert "damaged" in said
    assert "restore it from a copy" in said
    assert path_of(sqlite_url).read_bytes() == content[: len(content) // 2]


async def test_a_file_with_rubbish_in_the_middle_is_refused_and_left_alone(sqlite_url: str) -> None:
    content = bytearray(await a_file_with_calls(sqlite_url))
    page = int.from_bytes(content[16:18], "big")
    middle = len(content) // 2 // page * page
    content[middle : middle + page] = os.urandom(page)
    path_of(sqlite_url).write_bytes(content)

    assert "damaged" in await refusal(sqlite_url)
    assert path_of(sqlite_url).read_bytes() == content


_OPEN = """
import asyncio, os, sys
from bridge.errors import SettingsError
from bridge.store.database.database import Database

async def opened(url):
    database = Database(url)
    try:
        await database.open()
    except SettingsError as error:
        print(error)
    finally:
        await database.close()

scratch, url, somebody = sys.argv[1:]
asyncio.run(opened(scratch))  # imports all, while it may
os.setgroups([])
os.setgid(int(somebody))
os.setuid(int(somebody))
asyncio.run(opened(url))
"""


async def opened_by_nobody(url: str, scratch: Path) -> str:
    for folder in path_of(url).parents[:-2]:  # so that somebody else can come there
        folder.chmod(0o755)
    arguments = [sqlite_at(scratch / "scratch.db"), url, str(NOBODY)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OPEN, *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("mode", [0o444, 0o000])
async def test_a_file_that_cannot_be_written_is_refused(
    sqlite_url: str, tmp_path_factory: pytest.TempPathFactory, mode: int
) -> None:
    path_of(sqlite_url).chmod(mode)

    said = await opened_by_nobody(sqlite_url, tmp_path_factory.mktemp("scratch"))

    assert "correct its permissions" in said
    assert str(path_of(sqlite_url)) in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_a_file_in_a_folder_that_cannot_be_written_is_refused(
    sqlite_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path_of(sqlite_url).chmod(0o666)

    said = await opened_by_nobody(sqlite_url, tmp_path_factory.mktemp("scratch"))

    assert "folder" in said


# ── a server ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_server_that_is_not_there_is_away(unused_port: int) -> None:
    database = Database(f"postgresql+asyncpg://me:s3cret@127.0.0.1:{unused_port}/calls")

    with pytest.raises(DatabaseAway) as away:
        await database.open()
    await database.close()

    assert away.value.reason == "unreachable"


async def test_a_database_that_the_server_does_not_have_is_refused(postgres_url: str) -> None:
    said = await refusal(other(postgres_url, database="no_such_database", password="s3cret"))

    assert "create it" in said
    assert "s3cret" not in said


async def test_a_user_that_the_server_does_not_have_is_refused(postgres_url: str) -> None:
    assert "user or the password" in await refusal(other(postgres_url, username="no_such_user"))


async def test_a_user_who_may_not_make_tables_is_refused(empty_postgres_url: str) -> None:
    user = make_url(empty_postgres_url).database or ""
    await run(empty_postgres_url, f"CREATE ROLE {user} LOGIN")
    try:
        said = await refusal(other(empty_postgres_url, username=user))
    finally:
        await run(empty_postgres_url, f"DROP ROLE {user}")

    assert "grant CREATE" in said


async def test_an_option_that_the_driver_does_not_know_is_refused(postgres_url: str) -> None:
    said = await refusal(other(postgres_url, query={"channel_binding": "require"}))

    assert "option" in said


async def test_libpqs_sslmode_is_understood(postgres_url: str) -> None:
    database = Database(other(postgres_url, query={"sslmode": "disable"}))
    await seed(database, a_call())
    await database.close()

    strict = Database(other(postgres_url, query={"sslmode": "require"}))
    with pytest.raises((DatabaseAway, SettingsError)):
        await strict.open()
    await strict.close()


async def test_what_was_the_record_once_may_come_back(postgres_url: str) -> None:
    database = Database(postgres_url)
    await database.open()
    await database.close()
    away = f"{make_url(postgres_url).database}_away"
    here, server = make_url(postgres_url).database, other(postgres_url, database="postgres")

    await run(server, f"ALTER DATABASE {here} RENAME TO {away}")
    try:
        with pytest.raises(DatabaseAway):
            await database.open()
    finally:
        await run(server, f"ALTER DATABASE {away} RENAME TO {here}")
    await seed(database, a_call())
    await database.close()


# ── whose tables ─────────────────────────────────────────────────────────────────────────────────


async def change(url: str, sql: str) -> None:
    if url.startswith("sqlite"):
        with sqlite3.connect(path_of(url)) as file:
            file.execute(sql)
        file.close()
    else:
        await run(url, sql)


async def test_the_tables_of_a_newer_bridge_are_refused(url: str) -> None:
    await change(url, "UPDATE alembic_version SET version_num = '9999'")

    said = await refusal(url)

    assert "9999" in said
    assert "upgrade millis-bridge" in said


async def test_the_tables_of_another_program_are_refused(empty_url: str) -> None:
    await change(empty_url, "CREATE TABLE calls (id INTEGER)")

    assert "'calls' is not the bridge's" in await refusal(empty_url)


async def test_other_tables_beside_the_records_are_no_harm(empty_url: str) -> None:
    await change(empty_url, "CREATE TABLE customers (id INTEGER)")

    database = Database(empty_url)
    await seed(database, a_call())
    await database.close()
