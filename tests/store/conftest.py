"""Databases for tests: each test has its own."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.store.database.database import Database
from tests.store.postgres import OwnPostgres, SpareDatabases, new_database, server_url


def sqlite_at(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.open()
    await database.close()


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The server on which tests make databases."""
    return server_url()


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: str) -> Iterator[SpareDatabases]:
    """Databases with the newest tables, that tests hand on to each other."""
    spare = SpareDatabases(postgres_server)
    yield spare
    asyncio.run(spare.drop_all())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest tables."""
    path = tmp_path_factory.mktemp("template") / "calls.db"
    asyncio.run(_migrate(sqlite_at(path)))
    return path


@pytest.fixture
async def postgres_url(postgres_databases: SpareDatabases) -> AsyncIterator[str]:
    """An empty record on PostgreSQL."""
    url = await postgres_databases.take(_migrate)
    yield url
    await postgres_databases.give_back(url)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty record in a file."""
    path = tmp_path / "calls.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    return sqlite_at(path)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty record, once on each kind of database."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An open, empty record."""
    database = Database(url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def empty_postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """A PostgreSQL database without tables."""
    async with new_database(postgres_server) as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """A file that is not there yet."""
    return sqlite_at(tmp_path / "new.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables, once of each kind."""
    name = "empty_sqlite_url" if request.param == "sqlite" else "empty_postgres_url"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def own_server() -> Iterator[OwnPostgres]:
    """A PostgreSQL server that only these tests use. Take `own_postgres`."""
    with OwnPostgres.made() as server:
        yield server


@pytest.fixture
def own_postgres(own_server: OwnPostgres) -> Iterator[OwnPostgres]:
    """A running PostgreSQL server that may be stopped and frozen, with an empty database."""
    own_server.start()
    own_server.clear()
    yield own_server
    own_server.thaw()


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
