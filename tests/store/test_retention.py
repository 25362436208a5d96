from typing import Any

import pytest
from sqlalchemy import Table, select, update

from bridge.store.database.database import Database
from bridge.store.database.retention import now_ms
from bridge.store.database.tables import calls, erased, frames, replicas, tool_runs, turns
from bridge.store.reading.archive import Archive
from bridge.store.shapes import Filters
from tests.store.scenes import BEGAN, a_call, a_head, a_tally, a_turn, seed, some_frames

DAY = 86_400_000


async def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    async with database.reading() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]


async def ids(database: Database) -> list[str]:
    return [row["id"] for row in await rows(database, calls)]


async def set_seen(database: Database, replica: str, at: int) -> None:
    await database.seen(replica)
    async with database.writing() as connection:
        await connection.execute(
            update(replicas).where(replicas.c.name == replica).values(seen_at=at)
        )


# ── processes ────────────────────────────────────────────────────────────────────────────────────


async def test_a_process_is_seen_again_and_again(database: Database) -> None:
    before = now_ms()
    await database.seen("a")
    await set_seen(database, "a", 17)
    await database.seen("a")
    await database.seen("b")

    found = {row["name"]: row["seen_at"] for row in await rows(database, replicas)}
    assert found.keys() == {"a", "b"}
    assert all(before <= at <= now_ms() for at in found.values())


async def test_orphans_end_at_the_last_moment_that_is_known(database: Database) -> None:
    spoke = a_head("spoke", replica="dead")
    await seed(
        database,
        [
            a_turn(spoke, 0, at_ms=1000, last_frame_ms=500),
            a_turn(spoke, 1, at_ms=9000, last_frame_ms=2000),
            a_turn(spoke, 2, at_ms=10_000, last_frame_ms=None),
        ],
        a_call("silent", replica="dead", turns=0, ended=False, started_at=BEGAN + 1),
    )

    assert await database.open_calls("dead") == ["spoke", "silent"]
    assert await database.abort_orphans("dead") == ["spoke", "silent"]
    assert await database.open_calls("dead") == []

    ends = {row["id"]: (row["ending"], row["ended_at"]) for row in await rows(database, calls)}
    assert ends == {"spoke": ("aborted", BEGAN + 11_000), "silent": ("aborted", BEGAN + 1)}


async def test_an_orphans_process_may_have_been_seen_later(database: Database) -> None:
    await seed(database, a_call("c1", replica="dead", ended=False))
    await set_seen(database, "dead", BEGAN + 500_000)

    await database.abort_orphans("dead")

    assert (await rows(database, calls))[0]["ended_at"] == BEGAN + 500_000


async def test_only_open_calls_of_that_process_are_orphans(database: Database) -> None:
    await seed(
        database,
        a_call("ended", replica="dead"),
        a_call("elsewhere", replica="alive", ended=False),
    )
    before = await rows(database, calls)

    assert await database.abort_orphans("dead") == []
    assert await database.abort_orphans("unheard of") == []

    assert await rows(database, calls) == before


async def test_orphans_are_told_once_unless_their_notes_are_saved_again(
    database: Database,
) -> None:
    call = a_call("c1", replica="dead", ended=False)
    await seed(database, call)

    assert await database.abort_orphans("dead") == ["c1"]
    assert await database.abort_orphans("dead") == []
    await seed(database, call)  # the process that did it died before it had removed the spool
    assert await database.abort_orphans("dead") == ["c1"]

    [row] = await rows(database, calls)
    assert row["ending"] == "aborted"


async def test_an_aborted_call_whose_end_comes_after_all_has_ended(database: Database) -> None:
    head = a_head("c1", replica="dead")
    await seed(database, a_call("c1", replica="dead", ended=False))
    await database.abort_orphans("dead")
    await database.save([a_tally(head, 90, ended_at=BEGAN + 5, ending="hung_up")])

    [call] = (await Archive(database).calls(Filters())).calls

    assert (call.state, call.ending) == ("ended", "hung_up")


# ── sweeping ─────────────────────────────────────────────────────────────────────────────────────


async def test_old_calls_are_swept_with_all_that_belongs_to_them(database: Database) -> None:
    old = [
        [*a_call(f"old{n:03}", tools=1), some_frames(a_head(f"old{n:03}"), b"x", 90)]
        for n in range(250)
    ]
    new = a_call("new", started_at=BEGAN + 1, tools=1)
    for first in range(0, 250, 50):
        await seed(database, *old[first : first + 50])
    await seed(database, [*new, some_frames(a_head("new", started_at=BEGAN + 1), b"x", 90)])

    assert await database.sweep(BEGAN + 1) == 250

    assert await ids(database) == ["new"]
    for table, many in ((turns, 2), (tool_runs, 1), (frames, 1)):
        assert [row["call_id"] for row in await rows(database, table)] == ["new"] * many
    assert await rows(database, erased) == []
    assert await database.sweep(BEGAN + 1) == 0


async def test_a_live_call_is_never_swept(database: Database) -> None:
    """E11: however long ago it began."""
    await seed(database, a_call("c1", replica="alive", ended=False))
    await database.seen("alive")

    assert await database.sweep(now_ms()) == 0
    assert await ids(database) == ["c1"]


@pytest.mark.parametrize(("seen_before", "swept"), [(DAY - 60_000, 0), (DAY + 60_000, 1)])
async def test_a_call_whose_process_was_not_seen_for_a_day_is_over(
    database: Database, seen_before: int, swept: int
) -> None:
    await seed(database, a_call("c1", replica="lost", ended=False))
    await set_seen(database, "lost", now_ms() - seen_before)

    assert await database.sweep(now_ms()) == swept


async def test_a_call_of_a_process_that_was_never_seen_is_over(database: Database) -> None:
    await seed(database, a_call("c1", replica="never seen", ended=False))

    assert await database.sweep(now_ms()) == 1


async def test_stones_are_swept_after_a_month(database: Database) -> None:
    async with database.writing() as connection:
        ages = {"young": 29, "old": 31}
        stones = [{"call_id": name, "at": now_ms() - age * DAY} for name, age in ages.items()]
        await connection.execute(erased.insert(), stones)

    await database.sweep(0)

    assert [row["call_id"] for row in await rows(database, erased)] == ["young"]


async def test_processes_are_forgotten_after_a_month_unless_they_left_open_calls(
    database: Database,
) -> None:
    await seed(database, a_call("c1", replica="left one", ended=False, started_at=now_ms()))
    for name, age in {"left one": 31, "gone": 31, "younger": 29}.items():
        await set_seen(database, name, now_ms() - age * DAY)

    await database.sweep(0)

    assert [row["name"] for row in await rows(database, replicas)] == ["left one", "younger"]


async def test_swept_words_are_gone_from_the_file(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await database.save([a_turn(a_head("c1"), said="pineapple"), a_tally(a_head("c1"), ended_at=1)])

    assert await database.sweep(now_ms()) == 1

    path = sqlite_url.split("///", 1)[1]
    for name in (path, path + "-wal"):
        with open(name, "rb") as file:  # noqa: ASYNC230, PTH123 - small
            assert b"pineapple" not in file.read()
    await database.close()
