"""Which frames of a call are kept, when they are written, and how much memory they take."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.events import CallBegan, CallEnded, TurnBegan, TurnEnded
from bridge.protocol import (
    Inbound,
    PartialTranscript,
    decode,
    encode,
    end_of_stream,
    words,
)
from bridge.store.notes.framelog import MOST_FRAMES
from bridge.store.notes.frames import FORMAT
from bridge.store.shapes import Frame
from tests.store.kept import CALL, Kept
from tests.store.messages import HEARD, SENT, interrupt, partial, request


def spoken(frames: list[Frame]) -> list[Any]:
    """What the frames say, in short."""
    short: list[Any] = []
    for frame in frames:
        data = frame.message.get("data", {})
        match frame.message["type"]:
            case "partial_transcript":
                short.append(data["transcript"])
            case "stream_request":
                short.append([line["content"] for line in data["transcript"]])
            case "stream_response":
                short.append(data["content"] or "end")
            case kind:
                short.append(kind)
    return short


def test_the_frames_of_a_turn_are_on_disk_before_its_last_one() -> None:
    kept = Kept()
    record = kept.begun()
    record.heard(CALL, request(1, "Hi"))
    record.note(CALL, TurnBegan(1, 1))
    kept.now += 0.5
    record.sent(CALL, words(1, "Hello", flush=True))
    record.sent(CALL, words(1, " you."))
    assert kept.of("frames") == []
    record.secure(CALL, TurnEnded(1, 1, "complete", "Hello you.", 0.5))
    assert spoken(kept.frames()) == [["Hi"], "Hello", " you."]
    assert kept.safe
    assert [frame.at_ms for frame in kept.frames()] == [0, 500, 500]
    record.sent(CALL, end_of_stream(1))
    record.note(CALL, CallEnded("hung_up"))
    assert spoken(kept.frames()) == [["Hi"], "Hello", " you.", "end"]
    assert kept.frames()[0].way == "in"
    assert kept.frames()[1].message == json.loads(encode(words(1, "Hello", flush=True)))


def test_the_frames_of_a_turn_that_was_cut_are_written_as_it_ends() -> None:
    kept = Kept()
    record = kept.begun()
    record.sent(CALL, words(1, "Hel"))
    record.heard(CALL, interrupt())
    kept.turn(record, 1, outcome="interrupted")
    assert spoken(kept.frames()) == ["Hel", "interrupt"]


@pytest.mark.parametrize("level", ["text", "metadata"])
def test_only_the_full_record_has_frames(level: str) -> None:
    kept = Kept()
    record = kept.begun(level)
    record.heard(CALL, request(1, "Hi"))
    for _ in range(2 * MOST_FRAMES):
        record.sent(CALL, words(1, "Hello"))
    kept.turn(record, 1)
    record.note(CALL, CallEnded("hung_up"))
    assert kept.of("frames") == []


def test_of_partial_transcripts_in_a_row_the_newest_is_kept() -> None:
    kept = Kept()
    record = kept.begun()
    for text in ("I", "I would", "I would like"):
        kept.now += 0.25
        record.heard(CALL, partial(text))
    record.sent(CALL, words(1, "Yes?"))
    record.heard(CALL, partial("a"))
    record.heard(CALL, partial("a table"))
    record.heard(CALL, interrupt())
    record.heard(CALL, partial("now"))
    record.note(CALL, CallEnded("hung_up"))
    assert spoken(kept.frames()) == ["I would like", "Yes?", "a table", "interrupt", "now"]
    assert kept.frames()[0].at_ms == 750


def test_a_partial_transcript_that_is_written_is_not_replaced() -> None:
    kept = Kept()
    record = kept.begun()
    record.heard(CALL, partial("I"))
    kept.turn(record, 1)
    record.heard(CALL, partial("I would"))
    record.note(CALL, CallEnded("hung_up"))
    assert spoken(kept.frames()) == ["I", "I would"]


def test_a_final_transcript_is_always_kept() -> None:
    kept = Kept()
    record = kept.begun()
    record.heard(CALL, partial("I"))
    record.heard(CALL, partial("I would.", final=True))
    record.heard(CALL, partial("But.", final=True))
    record.heard(CALL, partial("no"))
    record.heard(CALL, partial("not"))
    record.note(CALL, CallEnded("hung_up"))
    assert spoken(kept.frames()) == ["I would.", "But.", "not"]


def test_frames_are_written_before_they_are_too_many() -> None:
    kept = Kept()
    record = kept.begun()
    for _ in range(MOST_FRAMES + 1):
        record.heard(CALL, interrupt())
    assert len(kept.of("frames")) == 1
    for _ in range(MOST_FRAMES):
        record.sent(CALL, words(1, "a", flush=True))
    assert len(kept.of("frames")) == 2
    for _ in range(MOST_FRAMES):
        record.sent(CALL, words(1, "a"))
    record.sent(CALL, end_of_stream(1))
    assert len(kept.of("frames")) == 3
    record.note(CALL, CallEnded("hung_up"))
    assert len(kept.frames()) == 3 * MOST_FRAMES + 2


def test_words_in_a_row_on_one_stream_share_an_item() -> None:
    kept = Kept()
    record = kept.begun()
    for n in range(3):
        record.sent(CALL, words(7, f" word{n}"))
        kept.now += 0.25
    record.sent(CALL, words("7", " other"))
    kept.now += 0.25
    record.sent(CALL, words("7", " end", flush=True))
    record.sent(CALL, words("7", "."))
    record.sent(CALL, words("7", " Now", pause=300))
    record.sent(CALL, words("7", " then."))
    record.note(CALL, CallEnded("hung_up"))
    end = {"stream_id": "7", "content": " end", "flush": True, "end_of_stream": False}
    pause = {"stream_id": "7", "content": " Now", "pause": 300, "end_of_stream": False}
    assert json.loads(kept.of("frames")[0]["data"]) == [
        FORMAT,
        ["w", 0, 7, [0, 250, 500], [" word0", " word1", " word2"]],
        ["w", 750, "7", [0], [" other"]],
        ["o", 1000, {"type": "stream_response", "data": end}],
        ["w", 1000, "7", [0], ["."]],
        ["o", 1000, {"type": "stream_response", "data": pause}],
        ["w", 1000, "7", [0], [" then."]],
    ]
    assert [frame.at_ms for frame in kept.frames()[:4]] == [0, 250, 500, 750]


def test_a_transcript_that_grows_is_not_kept_again_and_again() -> None:
    kept = Kept()
    record = kept.begun()
    lines: list[str] = []
    for n in range(200):
        lines.append(f"{n} " + "word " * 20)
        record.heard(CALL, request(n, *lines))
        kept.turn(record, n)
    record.note(CALL, CallEnded("hung_up"))
    written = sum(len(row["data"]) for row in kept.of("frames"))
    assert written < 2 * sum(map(len, lines))
    asked = [f for f in kept.frames() if f.message["type"] == "stream_request"]
    assert [line["content"] for line in asked[-1].message["data"]["transcript"]] == lines


def test_another_session_on_the_same_socket_has_frames_of_its_own() -> None:
    kept = Kept()
    record = kept.begun()
    record.heard(CALL, request(1, "a", "b"))
    record.note(CALL, CallEnded("replaced"))
    record.heard(CALL, interrupt())  # these belong to neither
    record.sent(CALL, end_of_stream(1))
    record.note(CALL, TurnEnded(1, 1, "superseded", "", None))
    kept.now += 10
    record.note(CALL, CallBegan())
    record.heard(CALL, request(1, "a", "b"))
    record.sent(CALL, words(1, "Hi."))
    record.note(CALL, CallEnded("hung_up"))
    first, second = kept.calls
    assert spoken(kept.frames(first)) == [["a", "b"]]
    assert spoken(kept.frames(second)) == [["a", "b"], "Hi."]
    assert [frame.at_ms for frame in kept.frames(second)] == [0, 0]


@given(st.lists(st.tuples(SENT | HEARD, st.booleans()), max_size=40))
def test_the_frames_are_those_of_the_wire(passed: list[tuple[Any, bool]]) -> None:
    kept = Kept()
    record = kept.begun()
    expected: list[Any] = []
    for number, (message, ends) in enumerate(passed):
        if isinstance(message, Inbound):
            record.heard(CALL, message)
            if (
                isinstance(message, PartialTranscript)
                and expected
                and isinstance(expected[-1], PartialTranscript)
                and not expected[-1].data.is_final
            ):
                expected.pop()
            expected.append(message)
        else:
            record.sent(CALL, message)
            expected.append(json.loads(encode(message)))
        if ends and not isinstance(message, PartialTranscript):
            kept.turn(record, number)
    record.note(CALL, CallEnded("hung_up"))
    found = [
        frame.message if frame.way == "out" else decode(json.dumps(frame.message))
        for frame in kept.frames()
    ]
    assert found == expected
