"""PostgreSQL for tests: databases on the server that is there, and a server of our own to stop."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy.engine import make_url

from bridge.store.database.migrations import REVISIONS
from bridge.store.database.tables import metadata

DEFAULT: Final = "postgresql+asyncpg://postgres@127.0.0.1:5432/test"
TABLES: Final = tuple(metadata.tables)
REACHABLE: Final = "/tmp"  # noqa: S108 - it makes a folder there that nobody else can enter
"""Where a server keeps its files: it may run as another user, whom TMPDIR may be closed to."""
_numbers = count(1)


def server_url() -> str:
    """Where tests make their databases; skips the test if there is no server."""
    url = os.environ.get("BRIDGE_TEST_POSTGRES_URL", DEFAULT)
    try:
        asyncio.run(run(url, "SELECT 1"))
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        do_without(f"no PostgreSQL at BRIDGE_TEST_POSTGRES_URL ({type(error).__name__})")
    return url


def do_without(reason: str) -> NoReturn:
    """Skip the test, unless PostgreSQL is required."""
    if os.environ.get("BRIDGE_REQUIRE_POSTGRES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@asynccontextmanager
async def outside(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection, for looking at a database from outside."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain, timeout=5)
    try:
        yield connection
    finally:
        await connection.close()


async def run(url: str, sql: str, *values: Any) -> list[Any]:
    """Run one statement from outside."""
    async with outside(url) as connection:
        return list(await connection.fetch(sql, *values))


@asynccontextmanager
async def new_database(server: str) -> AsyncIterator[str]:
    """A database of its own, gone afterwards."""
    url = await create_database(server)
    try:
        yield url
    finally:
        await drop_database(server, url)


async def create_database(server: str) -> str:
    name = f"bridge_test_{os.getpid()}_{next(_numbers)}"
    await run(server, f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


async def drop_database(server: str, url: str) -> None:
    await run(server, f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


class SpareDatabases:
    """Databases with tables, used again and again: making one takes longer than emptying it."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._spare: list[str] = []

    async def take(self, migrate: Callable[[str], Awaitable[None]]) -> str:
        """An empty one."""
        if self._spare:
            return self._spare.pop()
        url = await create_database(self._server)
        await migrate(url)
        return url

    async def give_back(self, url: str) -> None:
        """Empty it; one whose tables are not the newest any more is dropped."""
        await cut_backends(url)
        async with outside(url) as connection:
            version = await connection.fetchval("SELECT version_num FROM alembic_version")
            found = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            tables = {row["tablename"] for row in await connection.fetch(found)}
            if clean := version == REVISIONS[-1] and tables - {"alembic_version"} == set(TABLES):
                await connection.execute("; ".join(f"DELETE FROM {table}" for table in TABLES))  # noqa: S608
        if clean:
            self._spare.append(url)
        else:
            await drop_database(self._server, url)

    async def drop_all(self) -> None:
        """Leave the server as it was."""
        while self._spare:
            await drop_database(self._server, self._spare.pop())


@asynccontextmanager
async def frozen_backends(url: str) -> AsyncIterator[None]:
    """Stop the processes on the server that serve this database. Needs root, and the same host."""
    name = make_url(url).database
    server = str(make_url(url).set(database="postgres").render_as_string(hide_password=False))
    found = await run(server, "SELECT pid FROM pg_stat_activity WHERE datname = $1", name)
    pids = [row["pid"] for row in found]
    assert pids, "nobody is connected"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def somebody_waits(url: str) -> int:
    """Wait until a connection to this database waits for a lock; the process that serves it."""
    name = make_url(url).database
    sql = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
    while not (found := await run(url, sql, name)):  # noqa: ASYNC110 - it is the server's event
        await asyncio.sleep(0.01)
    return int(found[0]["pid"])


async def cut_backends(url: str) -> int:
    """Have the server end every connection to this database; how many there were."""
    name = make_url(url).database
    server = str(make_url(url).set(database="postgres").render_as_string(hide_password=False))
    sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"
    return len(await run(server, sql, name))


class OwnPostgres:
    """A server in a temporary folder, on a port of its own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """The bridge's database on it."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self._port}/bridge"

    @classmethod
    @contextmanager
    def made(cls) -> Iterator["OwnPostgres"]:
        """Make a server, not yet running, or skip the test; it is gone afterwards."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        program = str(found[-1]) if found else shutil.which("initdb")
        if program is None:
            do_without("no initdb: PostgreSQL is not installed")
        with tempfile.TemporaryDirectory(prefix="bridge-postgres-", dir=REACHABLE) as folder:
            server = cls(Path(folder), Path(program).parent)
            server._initialise()
            try:
                yield server
            finally:
                server.thaw()
                server.stop()

    def _initialise(self) -> None:
        if self._user:
            user = pwd.getpwnam(self._user)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "-D", str(self._data))

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Run it, and wait until it answers; nothing if it runs."""
        if self._process is not None:
            return
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "max_connections": "40",
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [*command, *settings],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)

    def clear(self) -> None:
        """Begin with an empty database."""
        self._sql("DROP DATABASE IF EXISTS bridge WITH (FORCE)")
        self._sql("CREATE DATABASE bridge")

    def stop(self) -> None:
        """End it as an administrator would; it cuts its clients."""
        self._end(signal.SIGINT)

    def stop_immediate(self) -> None:
        """End it at once: it recovers when it is started again."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Stop every process of it: connections stand, and nothing answers."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on; nothing if they do."""
        self._tell(signal.SIGCONT)

    def _tell(self, what: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, what)

    def _pids(self) -> list[int]:
        if self._process is None:
            return []
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        try:
            self._sql("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def _sql(self, sql: str) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", "-d", "postgres"]
        self._run("psql", "-qX", *where, "-c", sql)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            [str(self._programs / program), *arguments],
            user=self._user,
            cwd=self._folder,
            check=True,
            capture_output=True,
        )
