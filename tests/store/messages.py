"""What may pass on the wire."""

import json
from typing import Any

from hypothesis import strategies as st

from bridge.protocol import (
    EndCall,
    EndCallData,
    Inbound,
    Outbound,
    StreamResponse,
    StreamResponseData,
    TransferCall,
    TransferCallData,
    decode,
    end_of_stream,
    words,
)

STREAM_IDS = st.integers(-3, 3) | st.sampled_from(["1", "-7", str(2**62)])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.builds(words, STREAM_IDS, TEXTS)
SENT: st.SearchStrategy[Outbound] = st.one_of(
    WORDS,
    WORDS,
    st.builds(
        lambda stream_id, content, flush, pause: StreamResponse(
            data=StreamResponseData(stream_id=stream_id, content=content, flush=flush, pause=pause)
        ),
        STREAM_IDS,
        TEXTS,
        st.sampled_from([None, False, True]),
        st.none() | st.integers(0, 9000),
    ),
    st.builds(end_of_stream, STREAM_IDS),
    st.builds(lambda n: EndCall(data=EndCallData(stream_id=n)), STREAM_IDS),
    st.builds(
        lambda n: TransferCall(data=TransferCallData(stream_id=n, destination="+1")), STREAM_IDS
    ),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
LINES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": st.sampled_from("abcd")}
    ),
    max_size=5,
)
HEARD: st.SearchStrategy[Inbound] = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("start_call"),
            "data": st.fixed_dictionaries(
                {},
                optional={
                    "stream_id": STREAM_IDS,
                    "session_id": TEXTS,
                    "agent_id": TEXTS,
                    "call_sid": TEXTS,
                    "metadata": st.dictionaries(TEXTS, JSON, max_size=3),
                    "include_metadata_in_prompt": st.booleans(),
                    "voip": st.fixed_dictionaries({}, optional={"from": TEXTS, "to": TEXTS}),
                    "session_continuation": st.fixed_dictionaries({"session_id": TEXTS}),
                },
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("stream_request"),
            "data": st.fixed_dictionaries({"stream_id": STREAM_IDS, "transcript": LINES}),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("partial_transcript"),
            "data": st.fixed_dictionaries({"transcript": TEXTS, "is_final": st.booleans()}),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("playback_finished"),
            "data": st.fixed_dictionaries({"session_id": TEXTS, "stream_id": STREAM_IDS}),
        }
    ),
    st.fixed_dictionaries({"type": st.just("interrupt")}, optional={"stream_id": STREAM_IDS}),
).map(lambda value: decode(json.dumps(value)))


def partial(text: str, *, final: bool = False) -> Inbound:
    data = {"transcript": text, "is_final": final}
    return decode(json.dumps({"type": "partial_transcript", "data": data}))


def request(number: int, *lines: str) -> Inbound:
    transcript = [{"role": "user", "content": line} for line in lines]
    data = {"stream_id": number, "transcript": transcript}
    return decode(json.dumps({"type": "stream_request", "data": data}))


def interrupt(number: int = 1) -> Inbound:
    return decode(json.dumps({"type": "interrupt", "stream_id": number}))
