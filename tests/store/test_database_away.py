import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from sqlalchemy import func, select, text

from bridge.store.database.database import Database
from bridge.store.database.tables import calls
from bridge.store.errors import DatabaseAway
from tests.store.postgres import (
    OwnPostgres,
    cut_backends,
    frozen_backends,
    outside,
    run,
    somebody_waits,
)
from tests.store.scenes import a_call, seed

SOON = 0.5
"""Seconds a deadline is in tests that wait for it."""


@pytest.fixture
async def hurried(postgres_url: str) -> AsyncIterator[Database]:
    """A database on PostgreSQL that is given up soon."""
    database = Database(postgres_url, deadline=SOON)
    await database.open()
    yield database
    await database.close()


@contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + 3, "more than a busy machine explains"


@asynccontextmanager
async def away(reason: str) -> AsyncIterator[None]:
    with pytest.raises(DatabaseAway) as told:
        yield
    assert told.value.reason == reason
    assert told.value.__cause__ is None


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(calls)) or 0)


# ── a server that does not answer ────────────────────────────────────────────────────────────────


async def test_saving_on_a_frozen_server_is_given_up(hurried: Database, postgres_url: str) -> None:
    await seed(hurried, a_call("c1"))

    async with frozen_backends(postgres_url):
        with takes_at_most(SOON + 1):
            async with away("slow"):
                await hurried.save(a_call("c2"))
        # the next finds another connection: only those that were there are frozen
        await hurried.save(a_call("c2"))

    assert await count(hurried) == 2


async def test_reading_on_a_frozen_server_is_given_up(hurried: Database, postgres_url: str) -> None:
    assert await count(hurried) == 0

    async with frozen_backends(postgres_url):
        with takes_at_most(SOON + 1):
            async with away("slow"):
                await count(hurried)


async def test_who_is_cancelled_on_a_frozen_server_does_not_wait_for_it(
    hurried: Database, postgres_url: str
) -> None:
    assert await count(hurried) == 0
    await seed(hurried, a_call("c1"))

    async with frozen_backends(postgres_url):
        for work in (count(hurried), hurried.save(a_call("c2"))):
            with takes_at_most(1), pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await work


async def test_closing_on_a_frozen_server_is_quick_and_ends_who_waits(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    await seed(database, a_call("c1"))
    assert await count(database) == 1

    async with frozen_backends(postgres_url):
        waiting = [
            asyncio.create_task(count(database)),
            asyncio.create_task(database.save(a_call("c2"))),
        ]
        await asyncio.sleep(0.1)
        with takes_at_most(1):
            await database.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(end) for end in ends] == [DatabaseAway, DatabaseAway]


async def test_a_server_that_freezes_as_it_is_opened_is_given_up(own_postgres: OwnPostgres) -> None:
    database = Database(own_postgres.url, deadline=SOON)
    own_postgres.freeze()
    try:
        with takes_at_most(SOON + 1):
            async with away("slow"):
                await database.open()
        with takes_at_most(1):
            await database.close()
    finally:
        own_postgres.thaw()

    await seed(database, a_call())
    await database.close()


async def test_those_who_wait_for_a_server_to_open_wait_once(own_postgres: OwnPostgres) -> None:
    database = Database(own_postgres.url, deadline=SOON)
    own_postgres.freeze()
    try:
        with takes_at_most(5 * SOON):
            ends = await asyncio.gather(
                *[count(database) for _ in range(10)], return_exceptions=True
            )
    finally:
        own_postgres.thaw()

    assert {type(end) for end in ends} == {DatabaseAway}
    assert await count(database) == 0
    await database.close()


async def test_a_database_can_be_closed_while_it_is_opened(own_postgres: OwnPostgres) -> None:
    database = Database(own_postgres.url)
    own_postgres.freeze()
    try:
        opening = asyncio.create_task(database.open())
        await asyncio.sleep(0.1)
        with takes_at_most(1):
            await database.close()
            async with away("closed"):
                await opening
    finally:
        own_postgres.thaw()


# ── locks ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_transaction_that_locks_the_tables_is_waited_for_and_given_up(
    hurried: Database, postgres_url: str
) -> None:
    async with outside(postgres_url) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
            with takes_at_most(SOON + 1):
                async with away("slow"):
                    await hurried.save(a_call("c1"))
        await hurried.save(a_call("c1"))

    assert await count(hurried) == 1


async def test_the_server_gives_up_too_what_nobody_waits_for_any_more(postgres_url: str) -> None:
    database = Database(postgres_url)
    for way in (database.reading(), database.writing()):
        async with way as connection:
            assert await connection.scalar(text("SHOW statement_timeout")) == "9s"
            assert await connection.scalar(text("SHOW lock_timeout")) == "5s"
    async with database.writing() as connection:
        await connection.rollback()
        assert await connection.scalar(text("SHOW lock_timeout")) == "0"
    await database.close()


async def test_saving_is_bounded_on_the_server_too(postgres_url: str) -> None:
    database = Database(postgres_url)
    await database.open()

    async with outside(postgres_url) as other, other.transaction():
        await other.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
        with takes_at_most(8):
            async with away("locked"):
                await database.save(a_call("c1"))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert (await run(postgres_url, waiting + " AND datname = current_database()"))[0][0] == 0
    await database.close()


async def test_who_has_to_give_way_in_a_deadlock_tries_again(postgres_url: str) -> None:
    database = Database(postgres_url)
    await seed(database, a_call("c1"))

    async with outside(postgres_url) as other:
        async with other.transaction():
            await other.execute("UPDATE turns SET said = '' WHERE number = 1")
            saving = asyncio.create_task(database.save(a_call("c1")))
            await somebody_waits(postgres_url)
            await other.execute("UPDATE calls SET persona = ''")  # the first who waits gives way
    counts = await saving

    assert counts["saved"] == 4
    await database.close()


@pytest.fixture
async def holder(sqlite_url: str) -> AsyncIterator[Database]:
    """Another process, as it were, with the same file."""
    database = Database(sqlite_url)
    await database.open()
    yield database
    await database.close()


async def test_a_file_that_is_locked_for_a_while_is_waited_for(
    holder: Database, sqlite_url: str
) -> None:
    database = Database(sqlite_url)
    await database.open()

    async with holder.writing():
        saving = asyncio.create_task(database.save(a_call("c1")))
        await asyncio.sleep(0.4)
        assert not saving.done()
        assert await count(database) == 0  # who reads need not wait
    await saving

    assert await count(database) == 1
    await database.close()


async def test_a_file_that_stays_locked_is_given_up(holder: Database, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await database.open()

    for work in (database.save(a_call("c1")), database.seen("here")):
        async with holder.writing():
            with takes_at_most(7):
                async with away("locked"):
                    await work

    assert await count(database) == 0
    await database.close()


async def test_a_file_that_is_locked_by_another_program_is_opened_all_the_same(
    holder: Database, sqlite_url: str
) -> None:
    database = Database(sqlite_url)

    async with holder.writing():
        await database.open()
    await database.close()


async def test_who_waits_for_a_locked_file_can_be_cancelled(
    holder: Database, sqlite_url: str
) -> None:
    database = Database(sqlite_url)
    await database.open()

    async with holder.writing():
        with takes_at_most(1), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await database.save(a_call("c1"))
        with takes_at_most(1):
            await database.close()


async def test_a_statement_that_takes_long_is_interrupted(sqlite_url: str) -> None:
    database = Database(sqlite_url, deadline=SOON)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    with takes_at_most(SOON + 1):
        async with away("slow"):
            async with database.reading() as connection:
                await connection.exec_driver_sql(endless)
    assert await count(database) == 0

    async def waits() -> None:
        async with database.reading() as connection:
            await connection.exec_driver_sql(endless)

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0.1)
    with takes_at_most(1):
        await database.close()
    with pytest.raises(DatabaseAway):
        await waiting


# ── connections that are lost ────────────────────────────────────────────────────────────────────


async def test_a_connection_that_was_cut_while_nobody_used_it_is_replaced_at_once(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    await seed(database, a_call("c1"))
    assert await count(database) == 1

    assert await cut_backends(postgres_url) >= 2
    assert await count(database) == 1
    await cut_backends(postgres_url)
    await database.seen("here")
    await cut_backends(postgres_url)
    await seed(database, a_call("c2"))

    assert await count(database) == 2
    await database.close()


async def test_a_transaction_that_is_cut_leaves_nothing(postgres_url: str) -> None:
    database = Database(postgres_url)

    async with away("unreachable"):
        async with database.writing() as connection:
            await connection.execute(calls.insert(), {
                "id": "c1", "session_id": "", "agent_id": "", "started_at": 1, "replica": "",
                "level": "full",
            })  # fmt: skip
            await cut_backends(postgres_url)
            await connection.scalar(select(calls.c.id))

    assert await count(database) == 0
    await database.close()


async def test_a_batch_that_is_cut_is_saved_at_the_second_try(postgres_url: str) -> None:
    database = Database(postgres_url)
    await seed(database, a_call("c1"))

    async with outside(postgres_url) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
            saving = asyncio.create_task(database.save(a_call("c2")))
            victim = await somebody_waits(postgres_url)
            await run(postgres_url, "SELECT pg_terminate_backend($1)", victim)
        await saving

    assert await count(database) == 2
    await database.close()


@pytest.mark.parametrize("how", ["stop", "stop_immediate"])
async def test_a_server_that_stops_is_away_until_it_is_back(
    own_postgres: OwnPostgres, how: str
) -> None:
    database = Database(own_postgres.url)
    await seed(database, a_call("c1"))
    assert await count(database) == 1

    getattr(own_postgres, how)()
    async with away("unreachable"):
        await database.save(a_call("c2"))
    async with away("unreachable"):
        await count(database)
    own_postgres.start()
    await database.save(a_call("c2"))

    assert await count(database) == 2
    await database.close()


# ── many at once ─────────────────────────────────────────────────────────────────────────────────


async def test_readers_wait_for_each_other_and_not_for_ever(url: str) -> None:
    database = Database(url, deadline=SOON)
    await database.open()

    patient = Database(url)
    await patient.open()
    assert await asyncio.gather(*[count(patient) for _ in range(30)]) == [0] * 30
    await patient.close()
    holding = [asyncio.create_task(_hold(database)) for _ in range(20)]
    with takes_at_most(SOON + 1):
        ends = await asyncio.gather(*holding, return_exceptions=True)

    assert {type(end) for end in ends} == {type(None), DatabaseAway}
    assert await count(database) == 0
    await database.close()


async def _hold(database: Database) -> None:
    async with database.reading():
        await asyncio.sleep(SOON / 2)


async def test_what_is_raised_in_a_transaction_undoes_it_and_comes_out(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with database.writing() as connection:
            await connection.execute(calls.insert(), {
                "id": "c1", "session_id": "", "agent_id": "", "started_at": 1, "replica": "",
                "level": "full",
            })  # fmt: skip
            _ = 1 / 0

    assert await count(database) == 0


async def test_a_closed_database_opens_again_by_itself(database: Database) -> None:
    await database.close()
    await database.close()
    await seed(database, a_call())

    assert await count(database) == 1
