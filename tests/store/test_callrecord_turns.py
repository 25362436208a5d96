"""What is kept of a turn, and when."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from bridge.call.events import (
    AskedTool,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.note import Note
from tests.store.kept import CALL, Kept


def test_a_turn_is_on_disk_before_its_last_frame() -> None:
    kept = Kept()
    record = kept.begun()
    kept.now += 1
    record.note(CALL, TurnBegan("7", 3, "A table?", 1, ahead=True))
    assert kept.table("turn") == []
    record.note(CALL, ModelAnswered(3, "openai:x", "Sure.", (), 0.2, 0.9, 800, 12))
    kept.now += 1.3
    record.secure(CALL, TurnEnded("7", 3, "complete", "Sure.", 0.31, 0.2, 1.2, first_frame=0.31))
    assert kept.row("turn") == {
        "number": 3,
        "stream_id": "7",
        "at_ms": 1000,
        "place": 1,
        "ahead": True,
        "asked": "A table?",
        "said": "Sure.",
        "said_chars": 5,
        "heard": None,
        "heard_chars": None,
        "outcome": "complete",
        "failure": None,
        "model": "openai:x",
        "tokens_in": 800,
        "tokens_out": 12,
        "messages": [
            {
                "model": "openai:x",
                "text": "Sure.",
                "tool_calls": [],
                "first_token_ms": 200,
                "duration_ms": 900,
                "tokens_in": 800,
                "tokens_out": 12,
            }
        ],
        "first_token_ms": 200,
        "first_frame_ms": 310,
        "last_frame_ms": 1200,
        "tools_ms": 0,
    }
    assert kept.row("tally")["turns"] == 1
    assert kept.safe


def test_a_turn_that_ends_as_it_was_secured_is_not_written_twice() -> None:
    kept = Kept()
    record = kept.begun()
    ended = kept.turn(record, 1)
    before = len(kept.notes)
    record.note(CALL, replace(ended, last_frame=ended.last_frame and ended.last_frame + 0.005))
    assert len(kept.notes) == before
    assert len(kept.of("turn")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "hung_up"},
        {"said": "Hi. Are you there?"},
        {"failure": "turn_timeout"},
        {"last_frame": 1.5},
        {"last_frame": None},
    ],
)
def test_a_turn_that_ends_otherwise_is_written_again(change: dict[str, Any]) -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    secured = TurnEnded(1, 1, "complete", "Hi.", 0.5, 0.25, 1.0)
    record.secure(CALL, secured)
    record.note(CALL, replace(secured, **change))
    row = kept.row("turn")
    assert row["outcome"] == change.get("outcome", "complete")
    assert row["said"] == change.get("said", "Hi.")
    assert row["failure"] == change.get("failure")
    last_frame = change.get("last_frame", 1.0)
    assert row["last_frame_ms"] == (last_frame and last_frame * 1000)
    assert kept.row("tally")["turns"] == 1


def test_a_turn_that_is_never_secured_is_kept_when_it_ends() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1, "Hi, how", outcome="interrupted")
    row = kept.row("turn")
    assert (row["outcome"], row["said"], row["said_chars"]) == ("interrupted", "Hi, how", 7)


def test_a_turn_of_whose_beginning_nobody_told_is_kept() -> None:
    kept = Kept()
    record = kept.begun()
    kept.now += 5
    record.note(CALL, TurnEnded(1, 1, "complete", "Hi.", 0.5, 0.25, 2.0))
    row = kept.row("turn")
    assert (row["at_ms"], row["asked"], row["place"]) == (3000, "", -1)


def test_what_was_heard_is_added_to_the_turn() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1, "One two three.")
    secured = kept.row("turn")
    record.note(CALL, TurnHeard(1, "One two", 7))
    assert kept.row("turn") == secured | {"heard": "One two", "heard_chars": 7}
    record.note(CALL, TurnHeard(1, "One two three."))  # the newest telling holds
    assert kept.row("turn") == secured | {"heard": "One two three.", "heard_chars": None}


def test_the_same_told_twice_is_written_once() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1)
    record.note(CALL, TurnHeard(1, "Hi."))
    before = len(kept.notes)
    record.note(CALL, TurnHeard(1, "Hi."))
    assert len(kept.notes) == before


def test_what_was_heard_while_the_turn_goes_on_is_kept_with_its_end() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    record.note(CALL, TurnHeard(1, "One", 3))
    assert kept.table("turn") == []
    record.note(CALL, TurnEnded(1, 1, "interrupted", "One two", 0.1))
    assert (kept.row("turn")["heard"], kept.row("turn")["heard_chars"]) == ("One", 3)


def test_of_the_two_newest_turns_it_may_still_be_told_what_was_heard() -> None:
    kept = Kept()
    record = kept.begun()
    for number in (1, 2, 3):
        kept.turn(record, number)
    for number in (1, 2, 3):
        record.note(CALL, TurnHeard(number, f"heard {number}"))
    assert [row["heard"] for row in kept.table("turn")] == [None, "heard 2", "heard 3"]


def test_a_turn_that_has_not_ended_is_not_forgotten() -> None:
    kept = Kept()
    record = kept.begun()
    kept.now += 1
    record.note(CALL, TurnBegan(1, 1, "the first"))
    for number in range(2, 10):
        kept.turn(record, number)
    record.note(CALL, TurnEnded(1, 1, "superseded", "The", 0.1))
    (row,) = [row for row in kept.table("turn") if row["number"] == 1]
    assert (row["asked"], row["at_ms"], row["outcome"]) == ("the first", 1000, "superseded")
    assert kept.row("tally")["turns"] == 9


def test_a_turn_whose_end_is_not_certain_is_not_forgotten() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1, "the first"))
    secured = TurnEnded(1, 1, "complete", "Hi.", 0.1)
    record.secure(CALL, secured)
    for number in range(2, 6):
        kept.turn(record, number)
    record.note(CALL, replace(secured, outcome="hung_up"))
    row = kept.table("turn")[0]
    assert (row["asked"], row["outcome"]) == ("the first", "hung_up")


def test_a_row_that_was_kept_does_not_change() -> None:
    notes: list[Note] = []
    record = CallRecord(notes.append, lambda: None, replica="r", level="text", clock=lambda: 0.0)
    record.note(CALL, TurnEnded(1, 1, "interrupted", "Hi", 0.1))
    first = copy.deepcopy(notes[0].row)
    record.note(CALL, ModelAnswered(1, "m", "Hi.", (), 0.1, 0.2, 5, 6))
    assert notes[0].row == first


def test_the_model_is_that_of_the_last_message() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    asked = AskedTool("look", {"town": "Rome"})
    record.note(CALL, ModelAnswered(1, "big", "", (asked,), 0.2, 0.5, None, 7))
    record.note(CALL, ModelAnswered(1, "small", "Rain.", (), None, 0.25, None, 3))
    record.secure(CALL, TurnEnded(1, 1, "complete", "Rain.", 0.1))
    row = kept.row("turn")
    assert (row["model"], row["tokens_in"], row["tokens_out"]) == ("small", None, 10)
    first, second = row["messages"]
    assert first["tool_calls"] == [{"name": "look", "arguments": {"town": "Rome"}}]
    assert (first["model"], first["tokens_in"], first["tokens_out"]) == ("big", None, 7)
    assert (second["text"], second["first_token_ms"], second["duration_ms"]) == ("Rain.", None, 250)


def test_why_a_message_ended_is_kept_with_it() -> None:  # C11
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    record.note(CALL, ModelAnswered(1, "m", "One, two", (), 0.1, 0.2, 5, 6, finish_reason="length"))
    record.note(CALL, TurnEnded(1, 1, "complete", "One, two", 0.1))
    assert [message["finish_reason"] for message in kept.row("turn")["messages"]] == ["length"]


def test_a_message_that_comes_after_the_end_is_kept() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1, outcome="interrupted")
    record.note(CALL, ModelAnswered(1, "m", "Hi. How are", (), 0.1, 0.2, 5, 6))
    assert kept.row("turn")["messages"][0]["text"] == "Hi. How are"
    assert kept.row("turn")["tokens_in"] == 5


def test_a_message_of_no_turn_costs_all_the_same() -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, ModelAnswered(9, "m", "Hi.", (), 0.1, 0.2, 5, 6))
    kept.turn(record, 10)
    assert (kept.row("tally")["tokens_in"], kept.row("tally")["tokens_out"]) == (5, 6)


def test_without_words_only_their_number_is_kept() -> None:
    kept = Kept()
    record = kept.begun("metadata")
    record.note(CALL, TurnBegan(1, 1, "secret"))
    asked = AskedTool("look", {"town": "secret"})
    record.note(CALL, ModelAnswered(1, "m", "secret", (asked,), 0.1, 0.2, 5, 6))
    record.note(CALL, ToolBegun("t", "look", {"town": "secret"}, 1, "reads only"))
    record.note(CALL, ToolFinished("t", "look", "secret", "ok", 0.1, 1))
    record.secure(CALL, TurnEnded(1, 1, "complete", "secret", 0.1, 0.1, 0.2, first_frame=0.1))
    record.note(CALL, TurnHeard(1, "secr", 4))
    row = kept.row("turn")
    for column in ("asked", "said", "heard", "messages"):
        assert row[column] is None
    assert (row["said_chars"], row["heard_chars"], row["model"]) == (6, 4, "m")
    assert (row["tokens_in"], row["tokens_out"], row["first_frame_ms"]) == (5, 6, 100)
    tool = kept.row("tool")
    assert (tool["arguments"], tool["result"]) == (None, None)
    assert (tool["name"], tool["policy"], tool["outcome"]) == ("look", "reads only", "ok")
    assert kept.row("call")["metadata"] == {"user_id": "u1", "plan": "gold"}
    assert "secret" not in repr(kept.notes)
    assert kept.of("frames") == []
