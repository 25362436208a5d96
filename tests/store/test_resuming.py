"""Where a call left off whose socket was lost on another process."""

import time
from typing import Any

import pytest

from bridge.call.events import CallData
from bridge.call.ledger import Entry
from bridge.call.notes import note
from bridge.store.database.database import Database
from bridge.store.notes.note import Note
from bridge.store.reading.resuming import LOST, NOT_KEPT, left_off
from tests.store.scenes import a_head, a_tally, a_tool, a_turn


def now_ms(ago: float = 0.0) -> int:
    return round((time.time() - ago) * 1000)


def lost(**head: Any) -> Any:
    """How the call began whose socket was lost on another process: a minute ago."""
    return a_head(**{"session_id": "s", "replica": "there", "started_at": now_ms(60), **head})


SAME = CallData(session_id="s", agent_id="agent")


async def deeds(database: Database, *notes: Note, window: float = 300.0) -> list[Entry]:
    await database.save(notes)
    async with database.reading() as connection:
        return await left_off(SAME, "here", window, connection)


async def test_the_turns_of_a_lost_socket_are_found_with_what_was_done(database: Database) -> None:
    head = lost()
    greeting, booked, cut = await deeds(
        database,
        a_turn(head, 1, place=-1, asked="", stream_id="0"),
        a_turn(head, 2, place=0, asked="Book it!", stream_id="-7"),
        a_turn(head, 3, asked="And?", said="It is done", heard="It", heard_chars=2),
        a_tool(head, "t1", turn=2, at_ms=8100),
    )
    assert (greeting.stream_id, greeting.place, greeting.digest) == (0, -1, None)
    assert (booked.stream_id, booked.place, booked.asked) == (-7, 0, "book it")
    assert booked.digest is not None
    assert (booked.over, booked.whole, booked.cut, booked.played) == (True, True, False, True)
    (use,) = booked.uses
    assert (use.id, use.name, use.arguments) == ("t1", "look_up", {"order": 17})
    assert (use.result, use.outcome, use.told) == ("It is on its way.", "ok", True)
    assert (cut.cut, cut.played, cut.said) == (True, False, "It is done")


async def test_no_conversation_is_taken_for_one_that_is_read(database: Database) -> None:
    (entry,) = await deeds(database, a_turn(lost(), 1))
    assert entry.digest not in {hash(()), hash(None), None}
    assert entry.digest is not None
    assert entry.digest.bit_length() > 64, "a hash has 64 bits"


@pytest.mark.parametrize(
    "head",
    [
        {"replica": "here"},  # then this process knows better
        {"session_id": "another"},
        {"agent_id": "another"},
    ],
)
async def test_what_is_not_of_this_call_elsewhere_is_not_found(
    database: Database, head: dict[str, Any]
) -> None:
    assert await deeds(database, a_turn(lost(**head), 1)) == []


@pytest.mark.parametrize(
    ("ended", "turn_at", "seen", "there"),
    [
        (200, 10, False, True),
        (400, 10, True, False),
        (None, 10, True, True),
        (None, 10, False, False),
        (None, 500_000, False, True),
    ],
)
async def test_only_a_call_of_a_moment_ago_goes_on(
    database: Database, ended: float | None, turn_at: int, seen: bool, there: bool
) -> None:
    head = lost(started_at=now_ms(600))
    ended_at = None if ended is None else now_ms(ended)
    if seen:
        await database.seen("there")
    found = await deeds(
        database, a_turn(head, 1, at_ms=turn_at), a_tally(head, ended_at=ended_at, ending="hung_up")
    )
    assert bool(found) is there


@pytest.mark.parametrize(
    ("row", "tool", "told"),
    [
        ({"heard": "Done."}, {}, True),
        ({"heard": None}, {}, False),
        ({"heard": "", "heard_chars": 0}, {}, False),
        ({"heard": None, "outcome": "hung_up"}, {}, False),
        ({"heard": "Done.", "outcome": "failed"}, {}, False),
        ({"heard": "One moment."}, {"duration_ms": 5000}, False),  # after the last word
    ],
)
async def test_who_has_heard_the_answer_knows_what_was_done(
    database: Database, row: dict[str, Any], tool: dict[str, Any], told: bool
) -> None:
    head = lost()
    (entry,) = await deeds(
        database, a_turn(head, 1, said="Done.", **row), a_tool(head, turn=1, at_ms=4100, **tool)
    )
    assert entry.uses[0].told is told


async def test_an_apology_has_told_nothing(database: Database) -> None:
    head = lost()
    (entry,) = await deeds(
        database,
        a_turn(head, 1, said="Sorry, something went wrong.", heard=None, outcome="failed"),
        a_tool(head, turn=1, at_ms=4100),
    )
    assert "The caller has not been told." in note([entry], "Sorry, something went wrong.")


async def test_who_has_asked_the_next_thing_has_heard_the_answer(database: Database) -> None:
    head = lost()
    first, *_ = await deeds(
        database,
        a_turn(head, 1, heard=None),
        a_turn(head, 2, heard=None),
        a_tool(head, turn=1, at_ms=4100),
    )
    assert first.uses[0].told


async def test_a_later_answer_tells_what_was_done_before(database: Database) -> None:
    head = lost()
    first, _ = await deeds(
        database,
        a_turn(head, 1, heard="", heard_chars=0, outcome="interrupted"),
        a_turn(head, 2, heard="Answer 2."),
        a_tool(head, turn=1, at_ms=4100, duration_ms=2000),
    )
    assert first.uses[0].told


async def test_a_tool_that_ran_when_the_line_was_lost_is_not_run_again(database: Database) -> None:
    head = lost()
    _, broken = await deeds(
        database, a_turn(head, 1), a_tool(head, turn=2, at_ms=9000, outcome=None, result=None)
    )
    (use,) = broken.uses
    assert (use.result, use.outcome, use.told) == (LOST, "timeout", False)
    assert (broken.place, broken.stream_id) == (1, None)
    assert LOST in note([broken], "")


async def test_where_no_words_are_kept_the_deeds_are_known_by_name(database: Database) -> None:
    head = lost(level="metadata")
    row: dict[str, Any] = {"asked": None, "said": None, "heard": None}
    (entry,) = await deeds(
        database,
        a_turn(head, 1, **row),
        a_tool(head, turn=1, at_ms=4100, arguments=None, result=None),
    )
    assert (entry.asked, entry.said) == ("", "")
    assert (entry.uses[0].arguments, entry.uses[0].result) == ({}, NOT_KEPT)


async def test_several_lost_sockets_are_read_in_their_order(database: Database) -> None:
    one, two = lost(call_id="c1"), lost(call_id="c2", started_at=now_ms(30), replica="elsewhere")
    found = await deeds(database, a_turn(two, 1, asked="second"), a_turn(one, 1, asked="first"))
    assert [entry.asked for entry in found] == ["first", "second"]
