"""Frames are packed small and read again as they were on the wire."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol import (
    EndCall,
    Inbound,
    Outbound,
    PartialTranscript,
    Role,
    StreamRequest,
    StreamRequestData,
    StreamResponse,
    TransferCall,
    Utterance,
    decode,
    encode,
    words,
)
from bridge.store.notes.framelog import FrameLog
from bridge.store.notes.frames import NewerFormat, asked, pack, unpack, whole
from bridge.store.shapes import Frame
from tests.store.messages import HEARD, SENT

START = 50.0


class Wire:
    """What passes by, and the rows that are made of it."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self._log = FrameLog(START, self.rows.append)

    def passes(self, message: Inbound | Outbound, after: float = 0.0) -> None:
        if isinstance(message, Outbound):
            self._log.send(START + after, message)
        else:
            self._log.hear(START + after, message)

    def write(self) -> None:
        self._log.write()

    def read(self) -> list[Frame]:
        self.write()
        return [frame for row in self.rows for frame in unpack(row)]


def told(number: int, *lines: str) -> StreamRequest:
    roles: Sequence[Role] = ("user", "assistant")
    transcript = tuple(Utterance(roles[n % 2], line) for n, line in enumerate(lines))
    return StreamRequest(StreamRequestData(number, transcript))


def on_the_wire(message: Inbound | Outbound) -> Any:
    """A message as it reads on the wire; what came in, as our models keep it."""
    if isinstance(message, StreamResponse | EndCall | TransferCall):
        return orjson.loads(encode(message))
    return message


def as_it_was(frame: Frame) -> Any:
    return frame.message if frame.way == "out" else decode(json.dumps(frame.message))


@given(st.lists(st.tuples(SENT | HEARD, st.integers(0, 500)), max_size=30), st.integers(1, 30))
def test_all_frames_are_read_again_as_they_were(
    passed: list[tuple[Inbound | Outbound, int]], in_a_row: int
) -> None:
    wire = Wire()
    expected: list[tuple[Inbound | Outbound, int]] = []
    now = 0
    for message, gap in passed:
        if isinstance(message, PartialTranscript) and not message.data.is_final:
            continue  # of these, not all are kept: see test_callrecord_frames
        now += gap
        wire.passes(message, now / 1000 + 0.0005)
        expected.append((message, now))
        if len(expected) % in_a_row == 0:
            wire.write()
    found = whole(wire.read())
    assert [as_it_was(frame) for frame in found] == [on_the_wire(m) for m, _ in expected]
    for frame, (_, at) in zip(found, expected, strict=True):
        assert abs(frame.at_ms - at) <= 1


def test_of_a_transcript_only_what_is_new_is_kept() -> None:
    wire = Wire()
    wire.passes(told(1, "Hi", "Hello", "Book a table"))
    wire.passes(told(2, "Hi", "Hello", "Book a table", "For how m", "four"))
    _, frame = wire.read()
    then = [
        {"role": "assistant", "content": "For how m"},
        {"role": "user", "content": "four"},
    ]
    data = {"stream_id": 2, "keep": 3, "then": then}
    assert frame.message == {"type": "stream_request", "data": data}


@pytest.mark.parametrize(
    ("before", "now", "keep"),
    [
        ((), ("a",), 0),
        (("a",), (), 0),
        (("a", "b", "c"), ("a", "b", "c"), 3),
        (("a", "b", "c"), ("a", "b"), 2),
        (("a", "b", "c"), ("a", "x", "c"), 1),  # Millis cut what was said
    ],
)
def test_what_still_stands_of_a_transcript_is_not_kept_twice(
    before: tuple[str, ...], now: tuple[str, ...], keep: int
) -> None:
    _, _, stream_id, kept, then = asked(0, told(2, *now), told(1, *before).data.transcript)
    assert (stream_id, kept) == (2, keep)
    assert [line.content for line in then] == list(now[keep:])


def test_a_role_that_changes_is_a_change() -> None:
    lines = (Utterance("assistant", "a"),)
    assert asked(0, told(1, "a"), lines)[3] == 0


def test_where_rows_were_lost_lines_are_missing() -> None:
    wire = Wire()
    wire.passes(told(1, "a"))
    wire.write()
    wire.rows.clear()
    wire.passes(told(2, "a", "b", "c"))
    (frame,) = whole(wire.read())
    assert [line["content"] for line in frame.message["data"]["transcript"]] == ["b", "c"]


def test_a_lone_surrogate_is_kept_as_the_wire_carried_it() -> None:
    wire = Wire()
    sent = [words(1, "a\ud800b"), words(1, "\ud800", flush=True)]
    for message in sent:
        wire.passes(message)
    wire.passes(StreamRequest(StreamRequestData(1, (Utterance("user", "\udfff"),))))
    *out, heard = wire.read()
    assert [frame.message for frame in out] == [orjson.loads(encode(message)) for message in sent]
    assert heard.message["data"]["then"] == [{"role": "user", "content": "?"}]


def test_metadata_is_kept_plain_and_bounded() -> None:
    wire = Wire()
    metadata = {"name": "Ann", "none": None, "long": "x" * (1 << 20)}
    wire.passes(decode(json.dumps({"type": "start_call", "data": {"metadata": metadata}})))
    (frame,) = wire.read()
    assert len(wire.rows[0]) < 100_000
    kept = frame.message["data"]["metadata"]
    assert (kept["name"], kept["none"]) == ("Ann", None)


def test_a_call_begins_as_it_did_on_the_wire() -> None:
    wire = Wire()
    data = {"session_id": "s", "agent_id": "a", "voip": {"from": "+1", "to": "+2"}}
    wire.passes(decode(json.dumps({"type": "start_call", "data": data})))
    (frame,) = wire.read()
    rest = {"metadata": {}, "include_metadata_in_prompt": False}
    assert frame.message == {"type": "start_call", "data": data | rest}


def test_a_row_without_frames_is_read() -> None:
    assert unpack(pack([])) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"{}",
        b"[]",
        b"[0]",
        b'["2"]',
        b'[1,["w",0,1,[0],[]]]',
        b'[1,["x",0]]',
        b'[1,["i",0,5]]',
        b'[1,["i","soon",{}]]',
        b"[1,7]",
    ],
)
def test_what_is_no_row_of_frames_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)


@pytest.mark.parametrize("data", [b"[2]", b"[99,[]]", b'[2,["new"],{}]'])
def test_a_newer_format_is_told_from_damage(data: bytes) -> None:
    with pytest.raises(NewerFormat):
        unpack(data)
