"""How a call goes, in numbers."""

import pytest

from bridge.call.events import (
    CallEnded,
    ModelAnswered,
    ToolBegun,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from tests.store.kept import CALL, TALLY, Kept


def test_the_tally_counts_what_happens() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 0)
    kept.turn(record, 1, outcome="interrupted")
    record.note(CALL, TurnEnded(9, 9, "complete", "At last.", 0.8, last_frame=1.0))
    kept.turn(record, 2)
    record.note(CALL, TurnHeard(2, "H", 1))  # spoken over while it was played
    record.note(CALL, TurnBegan(3, 3))
    record.note(CALL, ToolBegun("t1", "look", {}, 3))
    record.note(CALL, ToolBegun("t2", "look", {}, 3))
    record.note(CALL, ModelAnswered(3, "m", "", (), 0.1, 0.2, 100, 10))
    record.note(CALL, ModelAnswered(3, "m", "", (), 0.1, 0.2, None, 5))
    record.secure(CALL, TurnEnded(3, 3, "failed", "Sorry.", 0.7, last_frame=3.0))
    tally = TALLY | {
        "turns": 5,
        "interrupted": 2,
        "failed": 1,
        "tools": 2,
        "slowest_ms": 800,
        "tokens_in": 100,
        "tokens_out": 15,
    }
    assert kept.row("tally") == tally
    kept.now += 1
    record.note(CALL, CallEnded("ended"))
    ended_at = kept.notes[0].head.started_at + 4000
    assert kept.row("tally") == tally | {"ended_at": ended_at, "ending": "ended"}


def test_a_turn_that_was_cut_and_heard_in_part_counts_once() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1, outcome="interrupted")
    record.note(CALL, TurnHeard(1, "H", 1))
    record.note(CALL, TurnHeard(1, "Hi", 2))
    record.note(CALL, CallEnded("hung_up"))
    assert kept.row("tally")["interrupted"] == 1


def test_the_tally_is_not_written_where_it_has_not_changed() -> None:
    kept = Kept()
    record = kept.begun()
    kept.turn(record, 1)
    record.note(CALL, TurnHeard(1, "Hi."))
    assert len(kept.of("tally")) == 1


def test_the_tally_follows_an_outcome_that_changes() -> None:
    kept = Kept()
    record = kept.begun()
    record.secure(CALL, TurnEnded(1, 1, "failed", "Sorry.", 0.1))
    assert kept.row("tally")["failed"] == 1
    record.note(CALL, TurnEnded(1, 1, "hung_up", "Sorry.", 0.1))
    assert (kept.row("tally")["failed"], kept.row("tally")["turns"]) == (0, 1)


@pytest.mark.parametrize(
    ("ended", "slowest"),
    [
        (TurnEnded(1, 1, "complete", "Hi.", 0.5, last_frame=3.0), 500),
        (TurnEnded(1, 1, "failed", "Sorry.", None, last_frame=3.0), 3000),
        (TurnEnded(1, 1, "failed", "", None), 4000),  # not even an apology was sent
        (TurnEnded(1, 1, "interrupted", "", None, last_frame=3.0), 0),
        (TurnEnded(1, 1, "empty", "", None), 0),
    ],
)
def test_the_longest_wait_is_for_a_first_word_or_for_an_apology(
    ended: TurnEnded, slowest: int
) -> None:
    kept = Kept()
    record = kept.begun()
    record.note(CALL, TurnBegan(1, 1))
    kept.now += 4
    record.note(CALL, ended)
    assert kept.row("tally")["slowest_ms"] == slowest
