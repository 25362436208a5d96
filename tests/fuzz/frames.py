"""What Millis sends: `bridge/protocol.py`."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import orjson
from pydantic import BaseModel

from bridge.errors import ProtocolError
from bridge.protocol import Inbound, StartCall, StreamRequest, decode
from tests.fuzz.target import Target, encoded, text_of

REASONS = {"not_json", "too_many_items", "not_an_object", "unknown_type", "unusable"}
FIELDS = re.compile(r"unusable: (?:[a-z_]+(?:\.[a-z_]+)*(?:, )?)+")
"""What is told of a frame that cannot be used: names of ours, and nothing that was in it."""


def check(data: bytes) -> None:
    """A frame is read or refused for one of the known reasons; what is read can be passed on."""
    try:
        message = decode(text_of(data))
    except ProtocolError as error:
        assert error.reason in REASONS
        assert str(error) == error.reason or FIELDS.fullmatch(str(error)), str(error)
        return
    for text in texts(message):
        assert "\0" not in text
        text.encode()
    stream_id = getattr(message, "stream_id", None)
    if isinstance(message, StreamRequest):
        stream_id = message.data.stream_id
        assert all(line.role in ("user", "assistant") for line in message.data.transcript)
        assert all(line.content.strip() for line in message.data.transcript)
    if isinstance(message, StartCall):
        orjson.dumps(message.data.metadata, default=repr)
        assert max(map(len, (message.data.session_id, message.data.agent_id))) <= 256
        assert len(message.data.continues) <= 256
    if stream_id is not None:
        assert -(1 << 63) <= int(stream_id) < 1 << 63
        assert not isinstance(stream_id, bool)


def texts(message: Inbound) -> Iterator[str]:
    """Every text that is in it, keys too."""
    left: list[Any] = [message]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, BaseModel):
            left += dict(value).values()
        elif is_dataclass(value):
            left += [getattr(value, field.name) for field in fields(value)]


TARGET = Target(
    "frames",
    check,
    encoded(
        [
            '{"type":"start_call","data":{"stream_id":0,"agent_id":"a","session_id":"s",'
            '"metadata":{"name":"Ada","session_continuation":{"session_id":"x"}},'
            '"include_metadata_in_prompt":true,"voip":{"from":"+1555","to":"+1666"}}}',
            '{"type":"stream_request","data":{"stream_id":1,"transcript":['
            '{"role":"assistant","content":"Hi"},{"role":"user","content":[{"text":"Yes"}]}]}}',
            '{"type":"partial_transcript","data":{"session_id":"s","transcript":"W","is_final":1}}',
            '{"type":"playback_finished","data":{"session_id":"s","stream_id":"7"}}',
            '{"type":"interrupt","stream_id":9223372036854775807}',
            '{"type":"interrupt","data":{"stream_id":-1}}',
            '{"type":"start_call","data":{"metadata":{"a":"\\ud800\\\\ud800\\u0000\\udc00"}}}',
            '{"type":"start_call","data":{"metadata":{"a":"\\u0000"}}}',
            '{"type":"start_call","data":{"session_id":"' + "s" * 300 + '"}}',
            '{"type":"stream_request","data":{"stream_id":9223372036854775808}}',
            '{"type":"interrupt","stream_id":"-9223372036854775809"}',
        ]
    ),
    encoded(
        [
            *'{}[]":,\\',
            "\\u0000",
            "\\ud800",
            "\\udc00",
            "\\\\",
            "\0",
            "null",
            "true",
            "1e400",
            "-0",
            "9223372036854775808",
            '"type":',
            '"data":',
            '"stream_id":',
            '"transcript":',
            '"metadata":',
            '"role":"user"',
            '"content":',
            '"session_continuation":',
            "start_call",
            "stream_request",
            "interrupt",
            "false",
        ]
    ),
)
