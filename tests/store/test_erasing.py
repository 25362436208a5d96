import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bridge.store.database.database import Database
from bridge.store.database.dialect import ERASING
from bridge.store.database.tables import calls, erased, frames, metadata, tool_runs, turns
from bridge.store.reading.archive import Archive
from bridge.store.recorder import Recorder
from bridge.store.setup import RecordSetup
from bridge.store.shapes import Filters
from bridge.store.spool.unsaved import of_session, unsaved
from tests.store.conftest import sqlite_at
from tests.store.postgres import outside, somebody_waits
from tests.store.scenes import (
    a_beginning,
    a_call,
    a_head,
    a_tally,
    a_tool,
    a_turn,
    seed,
    some_frames,
)
from tests.store.spooling import Desk, until

KEPT = (calls, turns, tool_runs, frames)


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)


async def counts(database: Database) -> dict[str, int]:
    async with database.reading() as connection:
        return {
            table.name: int(await connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in KEPT
        }


def whole(call_id: str, session: str = "s") -> list[object]:
    head = a_head(call_id, session_id=session)
    return [*a_call(call_id, tools=2, session_id=session), some_frames(head, b"x", 90)]


async def test_an_erased_session_leaves_nothing_of_any_connection(
    archive: Archive, database: Database
) -> None:
    await seed(database, whole("c1"), whole("c2"), whole("other", "t"))  # type: ignore[arg-type]

    assert await archive.erase_session("s") == 2

    assert await counts(database) == {"calls": 1, "turns": 2, "tool_runs": 2, "frames": 1}
    assert [call.id for call in (await archive.calls(Filters())).calls] == ["other"]
    assert await archive.erase_session("s") == 0


async def test_one_connection_can_be_erased_by_its_id(archive: Archive, database: Database) -> None:
    await seed(database, a_call("c1", session_id="s"), a_call("c2", session_id="s"))

    assert await archive.erase_session("c1") == 1

    assert [call.id for call in await archive.call("s")] == ["c2"]


async def test_all_calls_of_a_number_are_erased(archive: Archive, database: Database) -> None:
    many = [a_call(f"c{n}", turns=1) for n in range(250)]
    await seed(database, *many, a_call("other", said={"caller": "+1999"}))

    assert await archive.erase_caller("+15550001") == 250

    assert await counts(database) == {"calls": 1, "turns": 2, "tool_runs": 0, "frames": 0}


@pytest.mark.parametrize("name", ["nobody", "", "%", "a\0b", "\ud800", "x" * 100_000])
async def test_erasing_what_is_not_there_is_no_harm(
    archive: Archive, database: Database, name: str
) -> None:
    await seed(database, a_call("c1"))

    assert await archive.erase_session(name) == 0
    assert await archive.erase_caller(name) == 0
    assert (await counts(database))["calls"] == 1


async def test_what_still_comes_of_an_erased_live_call_is_dropped(
    archive: Archive, database: Database
) -> None:
    """E11: the call goes on, and nothing more of it is kept."""
    head = a_head("c1", session_id="s")
    await database.save([a_beginning(head, 1), a_turn(head, 0, 2), a_tally(head, 3, turns=1)])
    await database.seen(head.replica)
    assert [call.state for call in (await archive.calls(Filters())).calls] == ["live"]

    assert await archive.erase_session("s") == 1
    late = [a_turn(head, 1, 4), a_tool(head, "t", 5), some_frames(head, b"x", 6), a_tally(head, 7)]
    assert await database.save(late) == Counter(saved=0, erased=4)
    assert await database.save([a_beginning(head, 1)]) == Counter(saved=0, erased=1)

    assert set((await counts(database)).values()) == {0}
    assert await database.abort_orphans(head.replica) == []


async def test_a_call_that_is_saved_while_it_is_erased_is_gone_all_the_same(
    postgres_url: str,
) -> None:
    here, there = Database(postgres_url), Database(postgres_url)
    await seed(here, a_call("c1", session_id="s"))
    await there.open()
    saving = f"SELECT pg_advisory_xact_lock_shared({0x6D62}, {ERASING})"

    async with outside(postgres_url) as replica:
        async with replica.transaction():  # has looked for stones, and has found none
            await replica.execute(saving)
            erasing = asyncio.create_task(Archive(here).erase_session("s"))
            await somebody_waits(postgres_url)
            await replica.execute("INSERT INTO frames (call_id, seq, data) VALUES ('c1', 99, 'x')")
        assert await erasing == 1
    assert (await there.save([a_turn(a_head("c1"), 7, 50)]))["erased"] == 1

    assert set((await counts(here)).values()) == {0}
    await here.close()
    await there.close()


async def test_erasing_and_saving_do_not_mix_on_any_database(url: str) -> None:
    here, there = Database(url), Database(url)
    await here.open()
    gone = 0

    async def saves() -> None:
        for number in range(60):
            await there.save([a_turn(a_head("c1", session_id="s"), number, number + 1)])

    async with asyncio.TaskGroup() as both:
        saving = both.create_task(saves())
        while not saving.done():
            gone += await Archive(here).erase_session("s")
            await asyncio.sleep(0)
    gone += await Archive(here).erase_session("s")

    assert gone == 1  # the first stone holds
    assert set((await counts(here)).values()) == {0}
    await here.close()
    await there.close()


@pytest.mark.parametrize("alive", [True, False])
async def test_a_call_that_is_only_in_the_spool_is_erased_before_it_comes(
    url: str, tmp_path: Path, *, alive: bool
) -> None:
    setup = RecordSetup(url, "full", tmp_path / "spool", 1 << 26, 0)
    desk = Desk.open(setup.spool_dir)
    for note in [*a_call("new", session_id="s"), *a_call("other")]:
        desk.spool.append(note)
    desk.spool.flush()
    if not alive:
        desk.die()
    database = Database(url)
    archive = Archive(database)

    found = unsaved(setup.spool_dir, of_session("s"))
    assert await archive.erase_session("s", found) == 1
    assert await archive.erase_session("s", found) == 0
    assert await archive.erased([*found, "other"]) == {"new"}

    if alive:
        saved = await database.save(desk.take_all())
        assert saved["erased"] == len(a_call("new"))
        desk.close()
    else:
        async with Recorder(setup):
            await until(lambda: not desk.folder.path.exists())
    assert [call.id for call in (await archive.calls(Filters())).calls] == ["other"]
    await database.close()


async def test_many_calls_are_erased_before_they_come(archive: Archive, database: Database) -> None:
    await seed(database, a_call("c7", session_id="s"), a_call("old", session_id="s"))
    ids = [f"c{number}" for number in range(250)]

    assert await archive.erase_session("s", ids) == 251
    assert await archive.erased(ids) == set(ids)
    assert set((await counts(database)).values()) == {0}


def holding(folder: Path, words: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if words in file.read_bytes()]


async def test_the_words_of_an_erased_call_are_gone_from_the_disk(tmp_path: Path) -> None:
    database = Database(sqlite_at(tmp_path / "calls.db"))
    head = a_head("c1", session_id="s")
    planted = "pineapple-on-pizza "
    for number in range(100):  # some of it beyond a page, some changed later
        await database.save(
            [
                a_turn(head, number, 2 * number, said=planted * 400, asked=planted),
                a_beginning(head, number + 1, metadata={"who": planted}, caller=planted),
                a_tool(head, f"t{number}", result=planted * 9, arguments={"a": planted}),
                some_frames(head, planted.encode() * 300, number),
            ]
        )
        await database.save([a_turn(head, number, 2 * number + 1, said=planted, asked=None)])
        await seed(database, a_call(f"other{number}"))
    async with database.reading() as connection:  # somebody who looks holds nothing back
        await connection.execute(select(calls.c.id))
    assert holding(tmp_path, b"pineapple")

    assert await Archive(database).erase_session("s") == 1

    assert (tmp_path / "calls.db-wal").stat().st_size == 0
    assert holding(tmp_path, b"pineapple") == []
    assert (await counts(database))["calls"] == 100
    await database.close()


async def test_stones_tell_no_more_than_an_id_and_a_time(
    archive: Archive, database: Database
) -> None:
    await seed(database, a_call("c1"))
    await archive.erase_caller("+15550001")

    async with database.reading() as connection:
        [stone] = (await connection.execute(select(erased))).mappings()
    assert dict(stone).keys() == {"call_id", "at"}
    assert metadata.tables.keys() == {*(table.name for table in KEPT), "replicas", "erased"}
