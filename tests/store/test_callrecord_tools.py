"""What is kept of the use of a tool, and how long the caller waited for it."""

import pytest

from bridge.call.events import CallEnded, ToolBegun, ToolFinished, TurnBegan, TurnEnded, TurnHeard
from bridge.store.notes.callrecord import CallRecord
from tests.store.kept import CALL, Kept


def begin(record: CallRecord, id_: str, turn: int = 1) -> None:
    record.note(CALL, ToolBegun(id_, "book", {"n": 4}, turn, "not twice"))


def finish(record: CallRecord, id_: str, turn: int = 1, seconds: float = 0.5) -> None:
    record.note(CALL, ToolFinished(id_, "book", "booked", "ok", seconds, turn))


def test_what_is_being_done_survives_the_process() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    kept.now += 2
    begin(record, "t1")
    assert kept.row("tool") == {
        "id": "t1",
        "turn": 1,
        "at_ms": 2000,
        "name": "book",
        "arguments": {"n": 4},
        "policy": "not twice",
        "outcome": None,
        "result": None,
        "duration_ms": None,
    }
    assert kept.safe


def test_how_it_ended_is_added() -> None:
    kept = Kept()
    record = kept.begun()
    begin(record, "t1")
    begun = kept.row("tool")
    kept.now += 0.5
    finish(record, "t1")
    assert kept.row("tool") == begun | {"outcome": "ok", "result": "booked", "duration_ms": 500}


def test_a_tool_may_end_long_after_its_turn() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    begin(record, "t1")
    kept.now += 1
    record.note(CALL, TurnEnded(1, 1, "interrupted", "", None))
    for number in range(2, 9):
        kept.turn(record, number)
    record.note(CALL, CallEnded("hung_up"))
    finish(record, "t1", seconds=20)
    assert (kept.row("tool")["outcome"], kept.row("tool")["duration_ms"]) == ("ok", 20_000)
    assert kept.table("turn")[0]["tools_ms"] == 1000  # nobody waited any longer


def test_an_end_without_a_beginning_is_dropped() -> None:
    kept = Kept()
    record = kept.begun()
    finish(record, "never begun")
    assert kept.of("tool") == []


def test_an_end_told_twice_is_written_once() -> None:
    kept = Kept()
    record = kept.begun()
    begin(record, "t1")
    finish(record, "t1")
    finish(record, "t1")
    assert len(kept.of("tool")) == 2


@pytest.mark.parametrize(
    ("steps", "tools_ms"),
    [
        ("", 0),
        ("+a 1 -a", 1000),
        ("+a 1 -a 2 +b 1 -b", 2000),  # one after the other
        ("+a 1 +b 1 -a 1 -b", 3000),  # overlapping: the caller waits once
        ("+a +b 2 -a -b 1", 2000),
        ("+a 1 +b 1 -b 1 -a", 3000),  # one inside the other
        ("+a 2", 2000),  # still running as the turn ends
        ("+a 1 +b 1 -a 1", 3000),
    ],
)
def test_the_time_in_tools_is_that_in_which_any_ran(steps: str, tools_ms: int) -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    kept.now += 1
    for step in steps.split():
        match step[0]:
            case "+":
                begin(record, step)
            case "-":
                finish(record, f"+{step[1:]}")
            case _:
                kept.now += int(step)
    record.secure(CALL, TurnEnded(1, 1, "complete", "Hi.", 0.5))
    kept.now += 10
    for name in ("+a", "+b"):
        finish(record, name)
    record.note(CALL, TurnEnded(1, 1, "hung_up", "Hi.", 0.5))
    assert kept.row("turn")["tools_ms"] == tools_ms


def test_a_tool_that_begins_after_the_turn_keeps_nobody_waiting() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1)
    begin(record, "t1")
    kept.now += 1
    finish(record, "t1")
    record.note(CALL, TurnHeard(1, "Hi."))
    assert kept.row("turn")["tools_ms"] == 0


def test_a_tool_without_a_policy_has_none() -> None:
    kept = Kept()
    kept.begun().note(CALL, ToolBegun("t1", "look", {}, 1))
    assert kept.row("tool")["policy"] is None


def test_a_tool_counts_for_the_turn_that_asked_for_it() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    begin(record, "t1", turn=1)
    kept.now += 1
    record.note(CALL, TurnEnded(1, 1, "interrupted", "", None))
    record.note(CALL, TurnBegan(2, 2))
    kept.now += 1
    begin(record, "t2", turn=2)
    kept.now += 1
    finish(record, "t1", turn=1)
    kept.now += 1
    finish(record, "t2", turn=2)
    record.secure(CALL, TurnEnded(2, 2, "complete", "Hi.", 0.5))
    assert [row["tools_ms"] for row in kept.table("turn")] == [1000, 2000]
