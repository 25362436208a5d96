import asyncio
import itertools
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Table, select

from bridge.store.database.database import Database
from bridge.store.database.tables import calls, erased, frames, metadata, tool_runs, turns
from bridge.store.errors import NotesRefused
from bridge.store.notes.note import Note
from tests.store.scenes import (
    BEGAN,
    a_beginning,
    a_call,
    a_head,
    a_tally,
    a_tool,
    a_turn,
    seed,
    some_frames,
)


async def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    async with database.reading() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]


async def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {name: await rows(database, table) for name, table in metadata.tables.items()}


def a_whole_call() -> list[Note]:
    """A call as it goes: each row is told several times, better and better."""
    early = a_head(session_id="", agent_id="")
    head = a_head()
    return [
        a_tally(early, 1),
        a_beginning(head, 2, caller=None),
        a_turn(head, 0, 3, outcome="hung_up", heard=None),
        a_tool(head, "t1", 4, outcome=None, result=None),
        a_tally(head, 5, turns=1),
        a_turn(head, 0, 6, heard="Answer"),
        a_beginning(head, 7),
        a_tool(head, "t1", 8),
        some_frames(head, b"\x00\xff wire", 9),
        a_turn(head, 1, 10),
        a_tally(head, 11, turns=2, ended_at=BEGAN + 9000, ending="hung_up", tokens_in=1 << 40),
    ]


async def test_a_call_is_kept_as_its_notes_tell_it(database: Database) -> None:
    assert await database.save(a_whole_call()) == Counter(saved=11, erased=0)

    [call] = await rows(database, calls)
    first, second = await rows(database, turns)
    [run] = await rows(database, tool_runs)
    assert call == {
        "id": "c1", "session_id": "s-c1", "agent_id": "agent", "started_at": BEGAN,
        "replica": "here", "level": "full", "seq": 7, "persona": None, "caller": "+15550001",
        "called": "+15550002", "user_id": None, "call_sid": None, "metadata": {"city": "Zürich"},
        "continues": None, "tally_seq": 11, "ended_at": BEGAN + 9000, "ending": "hung_up",
        "turns": 2, "interrupted": 0, "failed": 0, "tools": 0, "slowest_ms": 0,
        "tokens_in": 1 << 40, "tokens_out": 0, "frames_lost": None,
    }  # fmt: skip
    assert first == {"call_id": "c1", "seq": 6, **a_turn(a_head(), 0, heard="Answer").row}
    assert second == {"call_id": "c1", "seq": 10, **a_turn(a_head(), 1).row}
    assert run == {"call_id": "c1", "seq": 8, **a_tool(a_head()).row}
    assert await rows(database, frames) == [{"call_id": "c1", "seq": 9, "data": b"\x00\xff wire"}]


async def test_saving_again_changes_nothing(database: Database) -> None:
    await database.save(a_whole_call())
    before = await everything(database)

    await database.save(a_whole_call())
    for note in a_whole_call():
        await database.save([note])

    assert await everything(database) == before


@pytest.mark.parametrize("size", [1, 2, 3, 11])
async def test_notes_may_come_in_any_order_and_in_any_batches(
    database: Database, size: int
) -> None:
    await database.save(a_whole_call())
    wanted = await everything(database)

    for chance in (random.Random(number) for number in range(5)):  # noqa: S311
        async with database.writing() as connection:
            for table in metadata.tables.values():
                await connection.execute(table.delete())
        notes = a_whole_call()
        chance.shuffle(notes)
        for first in range(0, len(notes), size):
            await database.save(notes[first : first + size])
        found = await everything(database)
        # whoever comes first makes the call's row: all but the first note's head know its names
        assert found == wanted


def what_was_heard(seq: int, heard: str, chars: int | None = None, number: int = 0) -> Note:
    return Note("heard", a_head(), seq, {"number": number, "heard": heard, "heard_chars": chars})


@pytest.mark.parametrize("together", [True, False])
async def test_what_was_heard_is_added_to_its_turn(database: Database, *, together: bool) -> None:
    turn, other = a_turn(a_head(), 0, 3, heard=None), a_turn(a_head(), 1, 4, heard=None)
    notes = [turn, other, what_was_heard(5, "Ans", 3), what_was_heard(6, "Answ", 4)]
    for batch in [notes] if together else [[note] for note in notes]:
        await database.save(batch)

    first, second = await rows(database, turns)

    assert first == {"call_id": "c1", "seq": 6, **turn.row, "heard": "Answ", "heard_chars": 4}
    assert second == {"call_id": "c1", "seq": 4, **other.row}


async def test_what_was_heard_stays_when_older_notes_come_again(database: Database) -> None:
    turn = a_turn(a_head(), 0, 3, heard=None)
    await database.save([turn, what_was_heard(5, "Answer", 6)])
    await database.save([turn, what_was_heard(4, "An", 2)])
    [row] = await rows(database, turns)
    assert (row["seq"], row["heard"], row["heard_chars"]) == (5, "Answer", 6)

    await database.save([a_turn(a_head(), 0, 7, heard="Answer 0.")])
    await database.save([what_was_heard(5, "Answer", 6)])
    [row] = await rows(database, turns)
    assert (row["seq"], row["heard"], row["heard_chars"]) == (7, "Answer 0.", None)


async def test_what_was_heard_of_a_turn_that_was_lost_is_lost(database: Database) -> None:
    assert await database.save([what_was_heard(5, "Answer")]) == Counter(saved=1, erased=0)
    assert await rows(database, turns) == []
    assert len(await rows(database, calls)) == 1


@pytest.mark.parametrize("kind", range(4))
async def test_each_note_can_stand_alone(database: Database, kind: int) -> None:
    head = a_head(session_id="s1", agent_id="orders", level="text", replica="b")
    note = [a_tally(head), a_turn(head), a_tool(head), some_frames(head, b"x")][kind]

    await database.save([note])

    [call] = await rows(database, calls)
    assert (call["id"], call["session_id"], call["agent_id"]) == ("c1", "s1", "orders")
    assert (call["started_at"], call["level"], call["replica"]) == (BEGAN, "text", "b")


async def test_what_start_call_says_and_how_it_goes_do_not_touch_each_other(
    database: Database,
) -> None:
    head = a_head()
    await database.save([a_tally(head, 9, turns=3)])
    await database.save([a_beginning(head, 2, persona="sales")])
    await database.save([a_tally(head, 8, turns=2)])

    [call] = await rows(database, calls)

    assert (call["persona"], call["turns"]) == ("sales", 3)


async def test_nothing_is_saved_of_nothing(database: Database) -> None:
    assert await database.save([]) == Counter(saved=0, erased=0)


async def test_a_batch_may_hold_many_calls(database: Database) -> None:
    await seed(database, *[a_call(f"c{number:03}") for number in range(300)])

    assert len(await rows(database, calls)) == 300
    assert len(await rows(database, turns)) == 600


async def test_notes_of_erased_calls_are_dropped_and_counted(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(erased.insert(), {"call_id": "c1", "at": BEGAN})

    counts = await database.save([*a_call("c1"), *a_call("c2", turns=1)])

    assert counts == Counter(saved=3, erased=4)
    assert [call["id"] for call in await rows(database, calls)] == ["c2"]
    assert {turn["call_id"] for turn in await rows(database, turns)} == {"c2"}


async def test_unknown_columns_of_a_newer_bridge_are_left_out(database: Database) -> None:
    await database.save([a_turn(a_head(), mood="cheerful")])

    assert len(await rows(database, turns)) == 1


# ── content ──────────────────────────────────────────────────────────────────────────────────────


async def test_texts_and_objects_come_back_as_they_were(database: Database) -> None:
    words = "Grüezi 😀 ' \" \\ \n ﷽ %s $1 :name"
    deep = {words: [1, 2.5, None, True, {"": words}], "big": 1 << 60}
    head = a_head(session_id=words)

    await database.save([a_beginning(head, metadata=deep), a_turn(head, asked=words)])

    [call], [turn] = await rows(database, calls), await rows(database, turns)
    assert (call["session_id"], call["metadata"], turn["asked"]) == (words, deep, words)


async def test_no_object_is_null_and_an_empty_one_is_empty(database: Database) -> None:
    await database.save(
        [a_beginning(a_head("c1"), metadata=None), a_beginning(a_head("c2"), metadata={})]
    )

    async with database.reading() as connection:
        missing = await connection.scalars(select(calls.c.id).where(calls.c.metadata.is_(None)))
        assert list(missing) == ["c1"]
    assert [call["metadata"] for call in await rows(database, calls)] == [None, {}]


HEAD = a_head()
REFUSED_BY_BOTH = {
    "a lone surrogate": a_turn(HEAD, asked="\ud800"),
    "a lone surrogate in an object": a_beginning(HEAD, metadata={"a": "\ud800"}),
    "what JSON does not know": a_beginning(HEAD, metadata={"a": object()}),
    "a number beyond 64 bits": a_tally(HEAD, tokens_in=1 << 63),
    "no number where there must be one": a_turn(HEAD, at_ms=None),
    "no text where there must be one": a_turn(HEAD, outcome=None),
    "an object for a text": a_turn(HEAD, asked={"a": 1}),
}
REFUSED_BY_POSTGRESQL = {
    "NUL": a_turn(HEAD, asked="a\0b"),
    "a number beyond 32 bits": a_turn(HEAD, at_ms=1 << 31),
    "a text for a number": a_turn(HEAD, at_ms="soon"),
    "a text longer than its column": a_turn(HEAD, outcome="x" * 17),
    "an id longer than its column": a_turn(a_head("x" * 33)),
}


@pytest.mark.parametrize("note", REFUSED_BY_BOTH.values(), ids=REFUSED_BY_BOTH)
async def test_what_the_database_cannot_hold_is_refused(database: Database, note: Note) -> None:
    await refuses(database, note)


@pytest.mark.parametrize("note", REFUSED_BY_POSTGRESQL.values(), ids=REFUSED_BY_POSTGRESQL)
async def test_what_postgresql_cannot_hold_is_refused(postgres_url: str, note: Note) -> None:
    database = Database(postgres_url)
    await refuses(database, note)
    await database.close()


async def refuses(database: Database, note: Note) -> None:
    with pytest.raises(NotesRefused) as refused:
        await database.save([*a_call("well"), note])

    assert refused.value.__cause__ is None  # it would quote what people said
    assert await rows(database, calls) == []  # all of a batch, or nothing
    await seed(database, a_call("well"))
    assert len(await rows(database, calls)) == 1


async def test_sqlite_keeps_nul_as_it_keeps_all_text(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await database.save([a_turn(HEAD, asked="a\0b")])

    [turn] = await rows(database, turns)
    await database.close()

    assert turn["asked"] == "a\0b"


# ── two replicas ─────────────────────────────────────────────────────────────────────────────────


async def test_two_replicas_may_save_the_same_calls_at_once(url: str) -> None:
    here, there = Database(url), Database(url)
    await here.open()
    notes = list(itertools.chain(*[a_call(f"c{number:02}", turns=5) for number in range(40)]))

    async def saves(database: Database, order: int) -> None:
        mine = notes.copy()
        random.Random(order).shuffle(mine)  # noqa: S311
        for first in range(0, len(mine), 40):
            await database.save(mine[first : first + 40])

    async with asyncio.TaskGroup() as both:
        both.create_task(saves(here, 1))
        both.create_task(saves(there, 2))

    assert len(await rows(here, calls)) == 40
    assert len(await rows(there, turns)) == 200
    await here.close()
    await there.close()
