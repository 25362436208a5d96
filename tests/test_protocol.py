import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import ProtocolError
from bridge.protocol import (
    MAX_CONTAINERS,
    MAX_FRAME_BYTES,
    EndCall,
    EndCallData,
    Interrupt,
    PartialTranscript,
    PlaybackFinished,
    StartCall,
    StreamRequest,
    TransferCall,
    TransferCallData,
    Utterance,
    decode,
    encode,
    end_of_stream,
    words,
)

START = {
    "type": "start_call",
    "data": {
        "stream_id": 1,
        "agent_id": "a",
        "call_sid": None,
        "session_id": "s",
        "metadata": {"any": "thing"},
        "voip": {"from": "+15550001", "to": "+15550002"},
    },
}
REQUEST = {
    "type": "stream_request",
    "data": {
        "stream_id": 2,
        "transcript": [
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "hi"},
        ],
    },
}
PARTIAL = {
    "type": "partial_transcript",
    "data": {"session_id": "s", "transcript": "what is the", "is_final": False},
}
PLAYED = {"type": "playback_finished", "data": {"session_id": "s", "stream_id": 2}}
INTERRUPT = {"type": "interrupt", "stream_id": 2}
ALL = [START, REQUEST, PARTIAL, PLAYED, INTERRUPT]


def frame(message: object) -> str:
    return json.dumps(message)


def request(**data: object) -> str:
    return frame({"type": "stream_request", "data": data})


def reason(text: str) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode(text)
    return caught.value.reason


# ── what Millis sends ────────────────────────────────────────────────────────────────────────────


def test_start_call_tells_who_calls_whom() -> None:
    message = decode(frame(START))
    assert isinstance(message, StartCall)
    assert (message.data.stream_id, message.data.session_id, message.data.agent_id) == (1, "s", "a")
    assert message.data.voip.caller == "+15550001"
    assert message.data.voip.called == "+15550002"
    assert message.data.metadata == {"any": "thing"}


def test_stream_request_carries_the_conversation() -> None:
    message = decode(frame(REQUEST))
    assert isinstance(message, StreamRequest)
    assert message.data.transcript == (Utterance("assistant", "Hello!"), Utterance("user", "hi"))


def test_partial_transcript_and_playback_finished_are_read() -> None:
    partial, played = decode(frame(PARTIAL)), decode(frame(PLAYED))
    assert isinstance(partial, PartialTranscript)
    assert (partial.data.transcript, partial.data.is_final) == ("what is the", False)
    assert isinstance(played, PlaybackFinished)
    assert played.data.stream_id == 2


@pytest.mark.parametrize(
    ("message", "stream_id"),
    [
        (INTERRUPT, 2),
        ({"type": "interrupt", "data": {"stream_id": 3}}, 3),
        ({"type": "interrupt", "stream_id": 0, "data": {"stream_id": 9}}, 0),
        ({"type": "interrupt"}, None),
        ({"type": "interrupt", "data": None}, None),
        ({"type": "interrupt", "stream_id": "seven"}, None),
    ],
)
def test_interrupt_is_understood_in_both_shapes(message: object, stream_id: object) -> None:
    read = decode(frame(message))
    assert isinstance(read, Interrupt)
    assert read.stream_id == stream_id


@pytest.mark.parametrize("stream_id", [0, -1, 7, "7", "-3", 2**63 - 1, -(2**63)])
def test_stream_ids_are_echoed_with_their_json_type(stream_id: int | str) -> None:
    message = decode(request(stream_id=stream_id))
    assert isinstance(message, StreamRequest)
    echoed = json.loads(encode(end_of_stream(message.data.stream_id)))["data"]["stream_id"]
    assert echoed == stream_id
    assert type(echoed) is type(stream_id)


@pytest.mark.parametrize(
    "stream_id",
    [
        *(
            "true",
            "false",
            "1.5",
            "1.0",
            "null",
            '"x"',
            '""',
            "1e3",
            str(2**63),
            "[1]",
            '"１"',
            '" 1"',
        ),
        *("99999999999999999999", '"' + "9" * 5000 + '"'),
    ],
)
def test_a_stream_id_that_is_no_whole_number_is_refused(stream_id: str) -> None:
    text = '{"type":"stream_request","data":{"stream_id":' + stream_id + "}}"
    assert reason(text) == "unusable"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not_json"),
        ("hello", "not_json"),
        ("\ufeff" + frame(START), "not_json"),
        (frame(START) + "x", "not_json"),
        ('{"type":"stream_request","data":{"stream_id":NaN}}', "not_json"),
        ('{"type":"stream_request","data":{"stream_id":Infinity}}', "not_json"),
        ('{"type":"stream_request","data":{"stream_id":' + "9" * 5000 + "}}", "not_json"),
        ('{"type":"stream_request","data":{"stream_id":1e400}}', "not_json"),
        ("[" * 100_000, "too_many_items"),
        ("[" * 9_000, "not_json"),
        ("[]", "not_an_object"),
        ("1", "not_an_object"),
        ('"start_call"', "not_an_object"),
        ("null", "not_an_object"),
        ("{}", "unknown_type"),
        ('{"type":null}', "unknown_type"),
        ('{"type":5}', "unknown_type"),
        ('{"type":["start_call"]}', "unknown_type"),
        ('{"type":"stream_response","data":{}}', "unknown_type"),
        ('{"type":"stream_request"}', "unusable"),
        ('{"type":"stream_request","data":null}', "unusable"),
        ('{"type":"stream_request","data":[]}', "unusable"),
        ('{"type":"playback_finished","data":{}}', "unusable"),
    ],
)
def test_a_frame_that_says_nothing_is_dropped_for_a_named_reason(text: str, why: str) -> None:
    assert reason(text) == why


def test_the_last_of_two_equal_keys_wins() -> None:
    message = decode('{"type":"interrupt","stream_id":1,"stream_id":2}')
    assert isinstance(message, Interrupt)
    assert message.stream_id == 2


@pytest.mark.parametrize("junk", [None, [], "text", 5, True])
def test_start_call_survives_fields_of_the_wrong_shape(junk: object) -> None:
    data = dict.fromkeys(
        ("agent_id", "call_sid", "session_id", "metadata", "voip", "stream_id"), junk
    )
    message = decode(frame({"type": "start_call", "data": data}))
    assert isinstance(message, StartCall)
    assert message.data.metadata == {}
    assert message.data.voip.caller is None
    assert isinstance(decode(frame({"type": "start_call", "data": junk})), StartCall)


NO_CONTINUATION: tuple[object, ...] = (None, [], "a", 5, True, {})
NO_NAME: tuple[object, ...] = (None, [], {}, 1.5)


@pytest.mark.parametrize(
    ("data", "continues"),
    [
        ({}, ""),
        ({"session_continuation": {"session_id": "a"}}, "a"),
        ({"metadata": {"session_continuation": {"session_id": "b"}}}, "b"),
        (
            {
                "session_continuation": {"session_id": "a"},
                "metadata": {"session_continuation": {"session_id": "b"}},
            },
            "a",
        ),
        (
            {
                "session_continuation": {"session_id": None},
                "metadata": {"session_continuation": {"session_id": "b"}},
            },
            "b",
        ),
        ({"session_continuation": {"session_id": 7}}, "7"),
        ({"session_continuation": {"session_id": "x" * 300}}, "x" * 256),
        ({"metadata": {"session_continuation": {"session_id": "x" * 300}}}, "x" * 256),
        *(({"session_continuation": junk}, "") for junk in NO_CONTINUATION),
        *(({"metadata": {"session_continuation": junk}}, "") for junk in NO_CONTINUATION),
        *(({"session_continuation": {"session_id": junk}}, "") for junk in NO_NAME),
        ({"metadata": [{"session_continuation": {"session_id": "a"}}]}, ""),
        ({"continues": "a"}, ""),
    ],
)
def test_start_call_may_name_an_earlier_call(data: dict[str, object], continues: str) -> None:
    message = decode(frame({"type": "start_call", "data": data}))
    assert isinstance(message, StartCall)
    assert message.data.continues == continues


@pytest.mark.parametrize(
    "item",
    [
        None,
        "text",
        5,
        [],
        {},
        {"role": "user"},
        {"role": "user", "content": None},
        {"role": "user", "content": "  "},
        {"role": "tool", "content": "secret"},
        {"role": "system", "content": "obey"},
        {"role": ["user"], "content": "x"},
        {"content": "x"},
    ],
)
def test_a_transcript_keeps_what_was_said_and_skips_the_rest(item: object) -> None:
    said = {"role": "user", "content": "hi"}
    message = decode(request(stream_id=1, transcript=[item, said, item]))
    assert isinstance(message, StreamRequest)
    assert message.data.transcript == (Utterance("user", "hi"),)


def test_content_blocks_are_read_as_text() -> None:
    blocks = [{"type": "text", "text": "book"}, {"type": "image"}, {"type": "text", "text": "it"}]
    message = decode(request(stream_id=1, transcript=[{"role": "user", "content": blocks}]))
    assert isinstance(message, StreamRequest)
    assert message.data.transcript == (Utterance("user", "book it"),)


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"a\ud800b", "a\ufffdb"),
        (r"a\udfffb", "a\ufffdb"),
        (r"a\u0000b", "a\ufffdb"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"C:\\ud800", r"C:\ud800"),
        (r"\\\ud800", "\\\ufffd"),
        (r"\u4e2d", "中"),
    ],
)
def test_what_no_server_accepts_is_replaced_and_the_sentence_kept(escaped: str, read: str) -> None:
    text = '{"type":"stream_request","data":{"stream_id":1,"transcript":[{"role":"user","content":"'
    message = decode(text + escaped + '"}]}}')
    assert isinstance(message, StreamRequest)
    assert message.data.transcript[0].content == read


def test_validation_errors_do_not_repeat_what_was_said() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode('{"type":"playback_finished","data":{"stream_id":"my card is 4711"}}')
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    "filling",
    [
        '{"type":"stream_request","data":{"stream_id":1,"transcript":[' + "{},",
        '{"type":"start_call","data":{"metadata":{' + '"a":[],',
        "[" * 10,
    ],
    ids=["empty items", "metadata", "nesting"],
)
def test_a_frame_full_of_items_is_dropped_before_it_costs_anything(filling: str) -> None:
    text = (filling * MAX_FRAME_BYTES)[:MAX_FRAME_BYTES]
    began = time.perf_counter()
    assert reason(text) == "too_many_items"
    # Counting brackets takes about a millisecond; parsing would take 30 to 60.
    assert time.perf_counter() - began < 1


def test_a_transcript_of_many_hours_is_still_read() -> None:
    said = {"role": "user", "content": "x" * 20}
    message = decode(request(stream_id=1, transcript=[said] * (MAX_CONTAINERS - 10)))
    assert isinstance(message, StreamRequest)
    assert len(message.data.transcript) == MAX_CONTAINERS - 10


# ── whatever a peer sends ────────────────────────────────────────────────────────────────────────

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def is_read_or_refused(text: str) -> None:
    try:
        message = decode(text)
    except ProtocolError:
        return
    assert isinstance(
        message, StartCall | StreamRequest | PartialTranscript | PlaybackFinished | Interrupt
    )
    repr(message).encode()  # nothing in it that a log, a database or a model would choke on


@given(st.text())
@example('{"type":"interrupt","stream_id":1e400}')
@example('{"type":"start_call","data":{"metadata":{"a":"\\ud800"}}}')
def test_any_text_is_read_or_refused(text: str) -> None:
    is_read_or_refused(text)


@given(st.sampled_from(ALL), st.data())
def test_any_one_field_may_be_missing_or_of_any_shape(
    message: dict[str, Any], data: st.DataObject
) -> None:
    mutant = json.loads(frame(message))
    target = data.draw(st.sampled_from([mutant, mutant.get("data") or mutant]))
    name = data.draw(st.sampled_from([*sorted(target), "extra"]))
    if data.draw(st.booleans()) and name in target:
        del target[name]
    else:
        target[name] = data.draw(json_values)
    is_read_or_refused(frame(mutant))


# ── what we send ─────────────────────────────────────────────────────────────────────────────────


def test_words_leave_out_what_is_not_set() -> None:
    assert json.loads(encode(words(0, "hi"))) == {
        "type": "stream_response",
        "data": {"stream_id": 0, "content": "hi", "end_of_stream": False},
    }
    assert json.loads(encode(words(0, "hi", flush=True, pause=500)))["data"] == {
        "stream_id": 0,
        "content": "hi",
        "flush": True,
        "pause": 500,
        "end_of_stream": False,
    }


def test_the_end_and_the_control_messages_are_written_as_documented() -> None:
    assert json.loads(encode(end_of_stream(4)))["data"] == {
        "stream_id": 4,
        "content": "",
        "end_of_stream": True,
    }
    assert json.loads(encode(EndCall(data=EndCallData(stream_id=4)))) == {
        "type": "end_call",
        "data": {"stream_id": 4},
    }
    transfer = TransferCall(data=TransferCallData(stream_id=4, destination="+1234567890"))
    assert json.loads(encode(transfer)) == {
        "type": "transfer_call",
        "data": {"stream_id": 4, "destination": "+1234567890"},
    }


def test_a_lone_surrogate_from_a_model_loses_one_character_only() -> None:
    assert json.loads(encode(words(1, "a\ud800b")))["data"]["content"] == "a?b"
