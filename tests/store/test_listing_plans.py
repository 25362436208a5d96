"""Lists must find their calls by an index, also when nobody has gathered statistics."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.store.database.database import Database
from bridge.store.database.tables import SLOW_MS
from bridge.store.reading import listing
from bridge.store.shapes import Filters
from tests.store.scenes import BEGAN, a_call, seed

PLANS: list[tuple[dict[str, Any], str]] = [
    ({}, "calls_started"),
    ({"agent": "a"}, "calls_agent"),
    ({"caller": "+1"}, "calls_caller"),
    ({"session": "s"}, "calls_session"),
    ({"interrupted": True}, "calls_interrupted"),
    ({"failed": True}, "calls_failed"),
    ({"slow_ms": SLOW_MS}, "calls_slow"),
    ({"slow_ms": SLOW_MS + 1}, "calls_slow"),
    ({"slow_ms": SLOW_MS - 1}, "calls_started"),
    ({"agent": "a", "interrupted": True}, "calls_interrupted_agent"),
    ({"agent": "a", "failed": True}, "calls_failed_agent"),
    ({"agent": "a", "slow_ms": 60_000}, "calls_slow_agent"),
    ({"agent": "a", "slow_ms": 1}, "calls_agent"),
    ({"caller": "+1", "failed": True}, "calls_caller"),
    ({"session": "s", "agent": "a"}, "calls_session"),
]


@pytest.fixture
async def sqlite(sqlite_url: str) -> Any:
    database = Database(sqlite_url)
    await seed(database, a_call())
    yield database
    await database.close()


@pytest.mark.parametrize("after", [None, listing.cursor_at(BEGAN, "c1")], ids=["first", "later"])
@pytest.mark.parametrize(("filters", "index"), PLANS, ids=[str(filters) for filters, _ in PLANS])
async def test_sqlite_walks_the_index_that_fits(
    sqlite: Database, filters: dict[str, Any], index: str, after: str | None
) -> None:
    query = listing.filtered(listing.summaries(), Filters(**filters))
    async with sqlite.reading() as connection:
        plan = await explained(connection, "EXPLAIN QUERY PLAN", listing.newest_first(query, after))

    first = plan[0]
    assert f"USING INDEX {index} " in f"{first} "
    assert not any("TEMP B-TREE" in line for line in plan)  # in order already: no sorting


async def explained(connection: AsyncConnection, how: str, query: Any) -> list[str]:
    sql = query.limit(51).compile(
        connection.engine.sync_engine, compile_kwargs={"literal_binds": True}
    )
    return [row[-1] for row in await connection.execute(text(f"{how} {sql}"))]


@pytest.fixture
async def postgres(postgres_url: str) -> Any:
    """With so many calls that walking through all of them would be folly."""
    database = Database(postgres_url)
    some = {"interrupted": 1, "failed": 1, "slowest_ms": 9000}
    await seed(
        database,
        *[
            a_call(
                f"c{n}",
                turns=0,
                started_at=BEGAN + n,
                agent_id="ab"[n % 100 == 0],
                goes=some if n % 50 == 0 else {},
                said={"caller": f"+{n}"},
            )
            for n in range(3000)
        ],
    )
    async with database.writing() as connection:
        await connection.exec_driver_sql("ANALYZE calls")
    yield database
    await database.close()


async def test_postgresql_walks_an_index_in_order(postgres: Database) -> None:
    async with postgres.reading() as connection:
        for filters, _ in PLANS:
            if 0 < filters.get("slow_ms", 0) < SLOW_MS:
                continue  # there is no index for that, and of so few calls it looks at all
            for after in (None, listing.cursor_at(BEGAN + 1500, "c1")):
                query = listing.filtered(listing.summaries(), Filters(**filters))
                plan = await explained(connection, "EXPLAIN", listing.newest_first(query, after))
                scans = [line for line in plan if "Scan" in line and " on calls" in line]
                assert len(scans) == 1, (filters, plan)
                assert "Index" in scans[0], (filters, plan)


async def test_a_session_is_found_by_indexes(sqlite: Database, postgres: Database) -> None:
    for database, how in ((sqlite, "EXPLAIN QUERY PLAN"), (postgres, "EXPLAIN")):
        query = listing.oldest_first(listing.named(listing.summaries(), "s"), None)
        async with database.reading() as connection:
            plan = "\n".join(await explained(connection, how, query))
        assert "calls_session" in plan
        assert "Seq Scan on calls" not in plan
        assert "SCAN calls" not in plan
