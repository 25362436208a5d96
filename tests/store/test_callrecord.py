"""What is kept of a call: who called, how it went, how it ended."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from bridge.call.events import (
    CallBegan,
    CallData,
    CallEnded,
    Remembered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.protocol import Interrupt
from bridge.store.database.tables import calls, frames, tool_runs, turns
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.note import KINDS, Note
from tests.store.kept import CALL, TALLY, Kept


def columns(note: Note) -> set[str]:
    """The columns of its table that are neither of the head nor its key's."""
    head = {"id", "session_id", "agent_id", "started_at", "replica", "level", "seq", "tally_seq"}
    match note.kind:
        case "call":
            return {c.name for c in calls.c} - head - set(TALLY) | {"session_id", "agent_id"}
        case "tally":
            return {c.name for c in calls.c} & set(TALLY)
        case "turn":
            return {c.name for c in turns.c} - {"call_id", "seq"}
        case "heard":
            return {"number", "heard", "heard_chars"}
        case "tool":
            return {c.name for c in tool_runs.c} - {"call_id", "seq"}
        case "frames":
            return {c.name for c in frames.c} - {"call_id", "seq"}


def test_a_connection_of_which_nothing_is_told_leaves_nothing() -> None:
    kept = Kept()
    kept.record()
    assert kept.notes == []


def test_a_connection_that_never_says_a_word_leaves_how_it_ended() -> None:
    kept = Kept()
    record = kept.record()
    kept.now += 10
    record.note(CallData(), CallEnded("nothing_said"))
    (note,) = kept.notes
    assert note.head.session_id == ""
    assert note.row == TALLY | {
        "ended_at": note.head.started_at + 10_000,
        "ending": "nothing_said",
    }


def test_who_calls_is_kept() -> None:
    kept = Kept()
    before = time.time() * 1000
    kept.begun()
    (note,) = kept.notes
    assert (note.head.session_id, note.head.agent_id) == ("s1", "a1")
    assert (note.head.replica, note.head.level) == ("here-1-00", "full")
    assert len(note.head.id) == 32
    assert before - 1 <= note.head.started_at <= time.time() * 1000 + 1
    assert note.row == {
        "session_id": "s1",
        "agent_id": "a1",
        "persona": "default",
        "caller": "+1555",
        "called": "+1556",
        "user_id": "u1",
        "call_sid": "CA1",
        "metadata": {"user_id": "u1", "plan": "gold"},
        "continues": None,
    }


def test_every_note_has_all_columns_of_its_table() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    record.note(CALL, ToolBegun("t1", "look", {}, 1))
    record.note(CALL, ToolFinished("t1", "look", "rain", "ok", 0.1, 1))
    record.heard(CALL, Interrupt(type="interrupt"))
    record.secure(CALL, TurnEnded(1, 1, "complete", "Hi.", 0.1))
    record.note(CALL, TurnHeard(1, "Hi."))
    record.note(CALL, CallEnded("hung_up"))
    assert {note.kind for note in kept.notes} == set(KINDS)
    for note in kept.notes:
        assert set(note.row) == columns(note), note.kind


def test_notes_are_numbered_from_1() -> None:
    kept = Kept()
    record = kept.begun()
    for number in range(5):
        kept.turn(record, number)
    assert [note.seq for note in kept.notes] == list(range(1, len(kept.notes) + 1))


def test_who_calls_may_come_late() -> None:
    kept = Kept()
    record = kept.record()
    kept.turn(record, 0)
    assert kept.notes[0].head.session_id == ""
    record.note(CALL, CallBegan())
    kept.turn(record, 1)
    assert len(kept.calls) == 1
    assert kept.row("call")["session_id"] == "s1"
    assert kept.row("call")["agent_id"] == "a1"
    assert kept.notes[-1].head.session_id == "s1"
    assert [row["number"] for row in kept.table("turn")] == [0, 1]


def test_another_session_on_the_same_socket_is_another_call() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1)
    record.note(CALL, TurnBegan(2, 2))
    kept.now += 5
    record.note(CALL, CallEnded("replaced"))
    kept.now += 5
    record.note(replace(CALL, session_id="s2", caller=None), CallBegan())
    kept.turn(record, 1, "Hello again.")
    record.note(CALL, CallEnded("hung_up"))
    first, second = kept.calls
    assert kept.table("call", first)[0]["session_id"] == "s1"
    assert kept.table("call", second)[0] | {"caller": None} == kept.table("call", second)[0]
    assert kept.table("tally", first)[0]["ending"] == "replaced"
    (tally,) = kept.table("tally", second)
    assert (tally["ending"], tally["turns"]) == ("hung_up", 1)
    (turn,) = kept.table("turn", second)
    assert (turn["said"], turn["at_ms"]) == ("Hello again.", 0)
    assert next(note.seq for note in kept.notes if note.head.id == second) == 1


def test_what_comes_late_does_not_undo_the_end() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    kept.now += 2
    record.note(CALL, CallEnded("replaced"))
    record.note(CALL, TurnEnded(1, 1, "superseded", "Hi", 0.5, last_frame=1.0))
    record.note(CALL, CallEnded("hung_up"))
    tally = kept.row("tally")
    assert (tally["ending"], tally["turns"]) == ("replaced", 1)
    assert tally["ended_at"] == kept.notes[0].head.started_at + 2000
    assert kept.row("turn")["outcome"] == "superseded"


def test_the_earlier_call_that_it_goes_on_from_is_kept() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, Remembered("s0"))
    assert kept.row("call") == kept.of("call")[0] | {"continues": "s0"}


@pytest.mark.parametrize(
    ("metadata", "user_id"),
    [
        ({"user_id": 7}, "7"),
        ({"user_id": "x" * 300}, "x" * 256),
        ({"user_id": ["no"]}, None),
        ({"user_id": True}, None),
        ({}, None),
    ],
)
def test_the_user_is_named_by_the_metadata(metadata: dict[str, Any], user_id: str | None) -> None:
    kept = Kept()
    kept.begun(call=replace(CALL, metadata=metadata))
    assert kept.row("call")["user_id"] == user_id


def test_a_call_without_data_is_kept() -> None:
    kept = Kept()
    kept.begun(call=CallData())
    assert kept.row("call")["session_id"] == ""
    assert kept.row("call")["metadata"] == {}


@pytest.mark.parametrize("level", ["text", "metadata"])
def test_the_level_is_kept(level: str) -> None:
    kept = Kept()
    kept.begun(level)
    assert kept.notes[0].head.level == level


async def test_times_are_those_of_the_event_loop() -> None:
    notes: list[Note] = []
    record = CallRecord(notes.append, lambda: None, replica="r", level="text")
    await asyncio.sleep(0.02)
    record.note(CALL, TurnBegan(1, 1))
    record.note(CALL, TurnEnded(1, 1, "complete", "Hi.", 0.0))
    assert 20 <= notes[0].row["at_ms"] < 2000


class Shifting(asyncio.SelectorEventLoop):
    """A loop with a clock of its own."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_times_follow_a_loop_with_a_clock_of_its_own() -> None:
    async def call() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Shifting)
        notes: list[Note] = []
        record = CallRecord(notes.append, lambda: None, replica="r", level="text")
        loop.ahead += 10
        record.note(CALL, TurnEnded(1, 1, "complete", "Hi.", 0.0))
        return notes[0].row

    with asyncio.Runner(loop_factory=Shifting) as runner:
        row = runner.run(call())
    assert 10_000 <= row["at_ms"] < 12_000
