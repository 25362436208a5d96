"""Whatever comes, a record stays small, quick, and never raises."""

import gc
import math
import time
import tracemalloc
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.events import (
    AskedTool,
    CallBegan,
    CallData,
    CallEnded,
    CallEvent,
    ModelAnswered,
    Remembered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.protocol import StreamResponse, end_of_stream, words
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.framelog import MOST_BYTES, MOST_CHARS, MOST_FRAMES
from tests.store.kept import CALL, Kept
from tests.store.messages import HEARD, SENT, interrupt, partial, request

TEXT = st.text(st.characters(), max_size=8)
OBJECT = st.dictionaries(TEXT, TEXT | st.integers() | st.floats() | st.binary(), max_size=3)
SECONDS = st.floats() | st.just(0.1)
MAYBE = st.none() | SECONDS
TURN = st.integers(0, 3)
COUNT = st.none() | st.integers()
EVENTS: st.SearchStrategy[CallEvent] = st.one_of(
    st.builds(CallBegan),
    st.builds(Remembered, TEXT),
    st.builds(TurnBegan, st.integers() | TEXT, TURN, TEXT, st.integers(-1, 9), st.booleans()),
    st.builds(
        TurnEnded,
        st.integers(),
        TURN,
        st.sampled_from(["complete", "failed", "interrupted", "hung_up"]),
        TEXT,
        MAYBE,
        MAYBE,
        MAYBE,
        st.none() | TEXT,
    ),
    st.builds(TurnHeard, TURN, TEXT, COUNT),
    st.builds(
        ModelAnswered,
        TURN,
        TEXT,
        TEXT,
        st.tuples() | st.tuples(st.builds(AskedTool, TEXT, OBJECT)),
        MAYBE,
        SECONDS,
        COUNT,
        COUNT,
    ),
    st.builds(ToolBegun, st.sampled_from("abc"), TEXT, OBJECT, TURN, TEXT),
    st.builds(ToolFinished, st.sampled_from("abc"), TEXT, TEXT, st.just("ok"), SECONDS, TURN),
    st.builds(CallEnded, st.just("hung_up")),
)
INT32 = range(2**31)


@given(st.lists(EVENTS | HEARD | SENT, max_size=30), st.sampled_from(["full", "text", "metadata"]))
def test_whatever_is_told_is_kept_plain(told: list[Any], level: str) -> None:
    kept = Kept()
    record = kept.record(level)
    call = replace(CALL, session_id="s\0", agent_id="\ud800", metadata={"user_id": "\0"})
    for one in told:
        kept.now += 0.01
        if isinstance(one, CallEvent):
            if isinstance(one, TurnEnded) and one.outcome == "complete":
                record.secure(call, one)
            record.note(call, one)
        elif one.type in {"stream_response", "end_call", "transfer_call"}:
            record.sent(call, one)
        else:
            record.heard(call, one)
    for note in kept.notes:  # each went through orjson
        assert "\0" not in repr(note).replace("\\x00", "\0")
        assert not any("\ud800" <= sign <= "\udfff" for sign in repr(note))
        for name, value in note.row.items():
            if isinstance(value, int) and name not in {"place", "ended_at", "number"}:
                assert value in INT32 or name.startswith("tokens")
    kept.frames()


def test_memory_stays_flat_over_a_thousand_turns() -> None:
    kept = Kept()
    record = CallRecord(
        lambda _: None, lambda: None, replica="r", level="full", clock=lambda: kept.now
    )
    record.note(CALL, CallBegan())

    def turns(count: int) -> int:
        for _ in range(count):
            kept.now += 1
            number = int(kept.now)
            record.heard(CALL, request(number, "What next?"))
            record.note(CALL, TurnBegan(number, number, "What next?", number))
            record.note(CALL, ToolBegun(f"t{number}", "look", {"n": number}, number))
            record.note(CALL, ToolFinished(f"t{number}", "look", "x" * 16_000, "ok", 0.1, number))
            said = f"answer {number} " * 50
            record.note(CALL, ModelAnswered(number, "m", said, (), 0.1, 0.2, 10, 10))
            for _ in range(4):
                record.sent(CALL, words(number, f"answer {number}"))
            ended = TurnEnded(number, number, "complete", said, 0.1, 0.1, 0.2)
            record.secure(CALL, ended)
            record.sent(CALL, end_of_stream(number))
            record.note(CALL, ended)
            record.note(CALL, TurnHeard(number, said))
        gc.collect()  # what Python itself keeps of small tuples
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = turns(50)
    after = turns(1000)
    tracemalloc.stop()
    assert after - before < 10_000


def test_an_interrupt_storm_leaves_nothing_in_memory() -> None:  # A28
    record = CallRecord(lambda _: None, lambda: None, replica="r", level="full", clock=lambda: 1.0)
    tracemalloc.start()
    sizes = []
    for n in range(900):
        record.heard(CALL, request(n, "x" * 100))
        record.note(CALL, TurnBegan(n, n, "x" * 100))
        record.heard(CALL, interrupt(n))
        record.note(CALL, TurnEnded(n, n, "interrupted", "", None))
        if n in {299, 899}:
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 10_000


def test_hostile_data_is_cut() -> None:
    kept = Kept()
    long = "x" * (1 << 20)
    call = CallData(session_id="s", metadata={"a": long, "b": [long] * 9, "user_id": 5})
    record = kept.begun(call=call)
    record.note(call, TurnBegan(1, 1, long))
    asked = AskedTool(long, {"a": long})
    record.note(call, ModelAnswered(1, long, long, (asked,), math.nan, math.inf, 2**70, -1))
    record.note(call, ToolBegun("t", long, {"a": [long] * 9}, 1, long))
    record.note(call, ToolFinished("t", long, long, "ok", math.inf, 1))
    record.note(call, TurnEnded(1, 1, "complete", long, math.nan, math.inf, -math.inf, long))
    record.note(call, TurnHeard(1, long, 2**70))
    record.note(call, CallEnded("hung_up"))
    assert all(len(repr(note)) < 500_000 for note in kept.notes)
    assert kept.row("call")["user_id"] == "5"
    assert kept.row("turn")["said_chars"] == 1 << 20
    assert kept.row("turn")["failure"] == long[:32]
    assert kept.row("turn")["tokens_in"] == kept.row("turn")["heard_chars"] == 2**31 - 1


def test_a_flood_of_partial_transcripts_is_cheap() -> None:  # A30
    kept = Kept()
    record = kept.begun()
    flood = [partial("word " * n) for n in range(100)]
    began = time.process_time()
    for n in range(30_000):  # 50 a second for 10 minutes
        record.heard(CALL, flood[n % 100])
    assert time.process_time() - began < 1.0  # of 600
    record.note(CALL, CallEnded("hung_up"))
    assert len(kept.frames()) == 1


def test_a_flood_of_long_partial_transcripts_writes_nothing() -> None:
    kept = Kept()
    record = kept.begun()
    flood = partial("x" * 1_000_000)
    for _ in range(1000):
        record.heard(CALL, flood)
    assert kept.of("frames") == []


def test_partial_transcripts_that_were_replaced_do_not_count() -> None:
    kept = Kept()
    record = kept.begun()
    flood = partial("x" * 1000)
    for _ in range(2 * MOST_FRAMES):
        record.heard(CALL, flood)
    record.heard(CALL, interrupt())
    assert kept.of("frames") == []


def test_frames_that_are_written_do_not_count_any_more() -> None:
    kept = Kept()
    record = kept.begun()
    record.heard(CALL, request(1, "x" * MOST_CHARS))
    for _ in range(9):
        record.heard(CALL, interrupt())
    assert len(kept.of("frames")) == 1


def test_long_frames_are_written_before_they_take_much_memory() -> None:
    kept = Kept()
    record = kept.begun()
    line = "x" * (MOST_CHARS // 4)
    for n in range(9):
        record.heard(CALL, request(n, f"{n}{line}"))
        record.heard(CALL, partial(f"{n}{line}"))
        record.heard(CALL, interrupt())
    assert len(kept.of("frames")) >= 4
    record.note(CALL, CallEnded("hung_up"))
    assert len(kept.frames()) == 27


def test_a_call_that_floods_us_has_its_share_and_no_more() -> None:
    kept = Kept()
    record = kept.begun()
    for n in range(36):
        record.heard(CALL, request(n, f"{n}" + "x" * 999_000))
    record.note(CALL, CallEnded("hung_up"))
    written = sum(len(row["data"]) for row in kept.of("frames"))
    assert MOST_BYTES < written < MOST_BYTES + 2_000_000
    assert len(kept.frames()) + kept.row("tally")["frames_lost"] == 36


def test_a_token_that_waits_to_be_written_takes_little_memory() -> None:
    record = CallRecord(print, print, replica="r", level="full", clock=time.monotonic)
    tokens: list[StreamResponse] = [words(1, f" word{n}") for n in range(MOST_FRAMES - 1)]
    tracemalloc.start()
    for token in tokens:
        record.sent(CALL, token)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 150 * len(tokens)  # beside the message itself
