"""How long a page of the list of calls takes, with a year's calls on record.

Run it with `make bench`. It fills a SQLite file, and a PostgreSQL database if there is a server at
BRIDGE_TEST_POSTGRES_URL, with a million turns, and reads pages of every kind. No page may take
longer than 100 ms.

    python benchmarks/listing.py [TURNS]
"""

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.a_year import (  # noqa: E402 - needs the path above
    AGENTS,
    CALL,
    NOW,
    TURN,
    TURNS_OF_A_CALL,
    YEAR,
    Row,
    a_year,
)
from bridge.logs import configure_logs  # noqa: E402
from bridge.store.database.database import Database  # noqa: E402
from bridge.store.reading.archive import Archive  # noqa: E402
from bridge.store.shapes import Filters  # noqa: E402

TURNS: Final = 1_000_000
PAGES: Final = 20
TARGET_MS: Final = 100
POSTGRES: Final = "postgresql+asyncpg://postgres@127.0.0.1:5432/test"

Fill = Callable[[list[Row], list[Row]], Awaitable[None]]


# ── the databases ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Place:
    """A database, and how calls and turns get into it quickly."""

    kind: str
    url: str
    fill: Fill
    filled: Callable[[], Awaitable[None]]


@asynccontextmanager
async def sqlite_place() -> AsyncIterator[Place]:
    """A file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.db"
        url = f"sqlite+aiosqlite:///{path}"
        await _migrate(url)
        file = sqlite3.connect(path)
        file.execute("PRAGMA synchronous = OFF")

        async def fill(some: list[Row], spoken: list[Row]) -> None:
            file.executemany(_insert("calls", CALL), some)
            file.executemany(_insert("turns", TURN), spoken)
            file.commit()

        async def filled() -> None:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            file.close()

        yield Place("SQLite", url, fill, filled)


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


@asynccontextmanager
async def postgres_place(server: str) -> AsyncIterator[Place]:
    """A database on a server."""
    name = f"bridge_bench_{os.getpid()}"
    outside = await _connect(server)
    await outside.execute(f"CREATE DATABASE {name}")
    try:
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
        await _migrate(url)
        line = await _connect(url)

        async def fill(some: list[Row], spoken: list[Row]) -> None:
            await line.copy_records_to_table("calls", records=some, columns=CALL)
            await line.copy_records_to_table("turns", records=spoken, columns=TURN)

        async def filled() -> None:
            await line.execute("VACUUM ANALYZE")
            await line.close()

        yield Place("PostgreSQL", url, fill, filled)
    finally:
        await outside.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await outside.close()


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.open()
    await database.close()


async def _connect(url: str) -> Any:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(plain, timeout=5)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────

Read = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Page:
    """One kind of page, and how long it took."""

    name: str
    found: int
    p50: float
    worst: float


async def pages(archive: Archive) -> list[tuple[str, Read]]:
    """Every kind of page."""
    half = await archive.calls(Filters(until=NOW - YEAR / 2), limit=1)
    some = (await archive.calls(Filters(since=NOW - YEAR / 2), limit=1)).calls[0]
    rare, nobody = AGENTS[-1], "+15559999999"
    day = {"since": NOW - YEAR / 3, "until": NOW - YEAR / 3 + timedelta(days=1)}
    lists: dict[str, dict[str, Any]] = {
        "agent": {"agent": AGENTS[0]},
        "rare agent": {"agent": rare},
        "no such agent": {"agent": "nobody"},
        "caller": {"caller": some.caller},
        "caller without calls": {"caller": nobody},
        "session": {"session": some.session_id},
        "one day": day,
        "the first days": {"until": NOW - YEAR + timedelta(days=2)},
        "before all": {"until": NOW - 2 * YEAR},
        "interrupted": {"interrupted": True},
        "failed": {"failed": True},
        "slow, 2 s": {"slow_ms": 2000},
        "slow, 1.5 s": {"slow_ms": 1500},
        "slow, 60 s: none": {"slow_ms": 60_000},
        "rare agent, failed": {"agent": rare, "failed": True},
        "rare agent, interrupted": {"agent": rare, "interrupted": True},
        "rare agent, slow": {"agent": rare, "slow_ms": 2000},
        "rare agent, slow 1.5 s": {"agent": rare, "slow_ms": 1500},
        "rare agent, one day": {"agent": rare, **day},
        "agent, failed": {"agent": AGENTS[0], "failed": True},
        "agent, slow 60 s: none": {"agent": AGENTS[0], "slow_ms": 60_000},
        "no such agent, interrupted": {"agent": "nobody", "interrupted": True},
        "caller, failed": {"caller": some.caller, "failed": True},
        "caller, interrupted, one day": {"caller": some.caller, "interrupted": True, **day},
        "no calls, interrupted, slow": {"caller": nobody, "interrupted": True, "slow_ms": 2000},
        "failed, slow": {"failed": True, "slow_ms": 2000},
        "interrupted, failed, slow": {"interrupted": True, "failed": True, "slow_ms": 2000},
        "interrupted, slow 60 s: none": {"interrupted": True, "slow_ms": 60_000},
        "failed, one day": {"failed": True, **day},
        "failed, before all": {"failed": True, "until": NOW - 2 * YEAR},
    }
    reads: list[tuple[str, Read]] = [
        ("first page", lambda: archive.calls(Filters())),
        ("first page of 500", lambda: archive.calls(Filters(), limit=500)),
        ("a page in the middle", lambda: archive.calls(Filters(), after=half.next)),
        ("interrupted, in the middle", _list(archive, {"interrupted": True}, half.next)),
    ]
    reads += [(name, _list(archive, filters)) for name, filters in lists.items()]
    return [*reads, ("the call itself", lambda: archive.call(some.session_id))]


def _list(archive: Archive, filters: dict[str, Any], after: str | None = None) -> Read:
    chosen = Filters(**filters)
    return lambda: archive.calls(chosen, after=after)


async def measure(name: str, read: Read) -> Page:
    """Read a page again and again."""
    took = []
    found: Any = None
    for _ in range(PAGES):
        began = time.perf_counter()
        found = await read()
        took.append((time.perf_counter() - began) * 1000)
    many = len(found) if isinstance(found, list) else len(found.calls)
    return Page(name, many, statistics.median(took), max(took))


async def read_all(place: Place) -> bool:
    """Read every kind of page and print how long it took; whether all were in time."""
    database = Database(place.url)
    try:
        archive = Archive(database)
        found = [await measure(name, read) for name, read in await pages(archive)]
    finally:
        await database.close()
    print(f"\n{place.kind:34} calls    p50 ms    max ms")
    for page in found:
        late = "  too late" if page.worst > TARGET_MS else ""
        print(f"  {page.name:30} {page.found:7} {page.p50:9.1f} {page.worst:9.1f}{late}")
    return all(page.worst <= TARGET_MS for page in found)


async def main() -> int:
    """Measure both databases."""
    configure_logs("warning", "auto")
    many = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    count = many // TURNS_OF_A_CALL
    server = os.environ.get("BRIDGE_TEST_POSTGRES_URL", POSTGRES)
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(sqlite_place())]
        try:
            await (await _connect(server)).close()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            print(f"PostgreSQL is not measured: {type(error).__name__}")
        else:
            places.append(await stack.enter_async_context(postgres_place(server)))
        began = time.perf_counter()
        turns = 0
        for some, spoken in a_year(count):
            turns += len(spoken)
            for place in places:
                await place.fill(some, spoken)
        for place in places:
            await place.filled()
        seconds = time.perf_counter() - began
        print(f"{count:,} calls and {turns:,} turns, filled in {seconds:.0f} s")
        return 0 if all([await read_all(place) for place in places]) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
