"""How frames are kept: many in one row; and how they are read again. Pure.

The data of a row is a JSON list: the number of the format, then one item for each frame, or for
each run of words on one stream:

    ["w", at_ms, stream_id, [ms since at_ms, …], [content, …]]    words sent, with nothing else
    ["o", at_ms, message]                                         anything else that was sent
    ["r", at_ms, stream_id, keep, [line, …]]                      a stream_request
    ["i", at_ms, message]                                         anything else that was heard

Millis sends the whole conversation with each request. Of that, what is new is kept: how many lines
of the request before still stand, and the lines that follow them.

It is not compressed. That would halve it, and cost the event loop half as much again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from bridge.protocol import (
    Interrupt,
    Outbound,
    PartialTranscript,
    PlaybackFinished,
    StartCall,
    StreamRequest,
    Utterance,
    wire,
)
from bridge.store.notes.plain import plain_object
from bridge.store.shapes import Frame

FORMAT: Final = 1

Item = list[Any]


class NewerFormat(ValueError):
    """A newer bridge has written these frames."""


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def pack(items: Sequence[Item]) -> bytes:
    """The data of a row."""
    try:
        return orjson.dumps([FORMAT, *items])
    except TypeError:  # a lone surrogate: the wire did not carry it, either
        return orjson.dumps([FORMAT, *_without_surrogates(items)])


def sent(at_ms: int, message: Outbound) -> Item:
    """The item of a message to Millis."""
    return ["o", at_ms, wire(message)]


def heard(
    at_ms: int, message: StartCall | PartialTranscript | PlaybackFinished | Interrupt
) -> Item:
    """The item of a message from Millis that is no request."""
    if type(message) is PartialTranscript or type(message) is PlaybackFinished:
        return ["i", at_ms, _wire(message)]
    if type(message) is StartCall:
        told = message.data
        data = told.model_dump(by_alias=True, exclude_none=True, exclude={"metadata"})
        data["metadata"] = plain_object(told.metadata)
        return ["i", at_ms, {"type": message.type, "data": data}]
    return ["i", at_ms, message.model_dump(exclude_none=True)]


def _wire(message: PartialTranscript | PlaybackFinished) -> dict[str, Any]:
    """A message with flat data as it reads on the wire. pydantic's own way takes twice as long."""
    data = {name: value for name, value in message.data.__dict__.items() if value is not None}
    return {"type": message.type, "data": data}


def asked(at_ms: int, message: StreamRequest, before: Sequence[Utterance]) -> Item:
    """The item of a request, without the lines that the one before it has told."""
    lines = message.data.transcript
    keep = 0
    for old, new in zip(before, lines, strict=False):
        if old.content != new.content or old.role != new.role:
            break
        keep += 1
    return ["r", at_ms, message.data.stream_id, keep, lines[keep:]]


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case Utterance():
            return {"role": value.role, "content": _without_surrogates(value.content)}
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {name: _without_surrogates(item) for name, item in value.items()}
        case _:
            return value


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def unpack(data: bytes) -> list[Frame]:
    """The frames of a row, as they were on the wire but for the transcripts: see `whole`.

    Raises:
        NewerFormat: this bridge cannot read them, but another can.
        ValueError: this is no row of frames.
    """
    items = orjson.loads(data)
    match items:
        case [int(number), *_] if number > FORMAT:
            raise NewerFormat
        case [int(number), *_] if number == FORMAT:
            pass
        case _:
            raise ValueError("no frames")
    return [frame for item in items[1:] for frame in _read(item)]


def _read(item: Any) -> Iterator[Frame]:
    match item:
        case ["w", at_ms, stream_id, gaps, contents]:
            for gap, content in zip(gaps, contents, strict=True):
                data = {"stream_id": stream_id, "content": content, "end_of_stream": False}
                message = {"type": "stream_response", "data": data}
                yield Frame(at_ms=at_ms + gap, way="out", message=message)
        case ["r", at_ms, stream_id, keep, then]:
            data = {"stream_id": stream_id, "keep": keep, "then": then}
            yield Frame(at_ms=at_ms, way="in", message={"type": "stream_request", "data": data})
        case ["i", at_ms, message]:
            yield Frame(at_ms=at_ms, way="in", message=message)
        case ["o", at_ms, message]:
            yield Frame(at_ms=at_ms, way="out", message=message)
        case _:
            raise ValueError("no frame")


def whole(frames: Iterable[Frame]) -> list[Frame]:
    """All frames of a call, with the transcripts as Millis sent them.

    Where rows of the call were lost, lines are missing.
    """
    lines: list[Any] = []
    found = []
    for frame in frames:
        if frame.message.get("type") != "stream_request":
            found.append(frame)
            continue
        data = frame.message["data"]
        lines = [*lines[: data["keep"]], *data["then"]]
        told = {"stream_id": data["stream_id"], "transcript": lines}
        message = {"type": "stream_request", "data": told}
        found.append(frame.model_copy(update={"message": message}))
    return found
