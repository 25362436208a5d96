"""Which streams a tape asks for, and what came on each: read from the tape alone."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.tape import Tape

_INT64 = range(-(1 << 63), 1 << 63)


def number(stream_id: object) -> int | None:
    """The whole number that an id is, if it is one."""
    if isinstance(stream_id, str) and re.fullmatch(r"-?[0-9]{1,19}", stream_id):
        stream_id = int(stream_id)
    if isinstance(stream_id, int) and not isinstance(stream_id, bool) and stream_id in _INT64:
        return stream_id
    return None


@dataclass
class Stream:
    """One reply that was asked for, as `protocol.md` says which those are."""

    stream_id: int | str
    asked: int
    """Where on the tape it was asked for."""
    at: float
    transcript: Any = None
    """None for the greeting."""
    silenced: int | None = None
    """Where it was interrupted or superseded, if it was."""
    frames: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Its `stream_response`s: where, and their data."""

    @property
    def said(self) -> str:
        return "".join(data.get("content", "") for _, data in self.frames)

    @property
    def endings(self) -> list[int]:
        return [place for place, data in self.frames if data.get("end_of_stream")]

    @property
    def question(self) -> str | None:
        """The caller's line that it answers."""
        lines = self.transcript if isinstance(self.transcript, list) else []
        for line in reversed(lines):
            if isinstance(line, dict) and line.get("role") == "user":
                said = _text(line.get("content"))
                if said.strip():
                    return said
        return None


@dataclass
class Reading:
    """What is to be found on a tape."""

    streams: list[Stream] = field(default_factory=list)
    strays: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Frames on streams that nobody had asked for."""
    closed: int | None = None
    """Where the connection ended."""

    def is_due(self, stream: Stream) -> bool:
        """Whether a stream must end: nobody spoke over it, and the line stood until it could."""
        return stream.silenced is None and (self.closed is None or bool(stream.endings))


class _Reader:
    """Follows a tape: which stream is the current one, as both sides must see it."""

    def __init__(self, tape: Tape) -> None:
        self.reading = Reading()
        self._session: str | None = None
        self._newest: int | None = None
        self._current: Stream | None = None
        for place, event in enumerate(tape.events):
            match event.way:
                case "sent":
                    for message in _message(event.what):
                        self._sent(place, event.at, message)
                case "got":
                    self._got(place, event.what)
                case "closed" if self.reading.closed is None:
                    self.reading.closed = place
                case _:
                    pass

    def _sent(self, place: int, at: float, message: dict[str, Any]) -> None:
        data = message.get("data")
        data = data if isinstance(data, dict) else {}
        match message.get("type"):
            case "start_call":
                self._started(place, at, data)
            case "stream_request":
                self._asked(place, at, data)
            case "interrupt":
                told = message.get("stream_id", data.get("stream_id"))
                self._interrupted(place, number(told))
            case _:
                pass

    def _started(self, place: int, at: float, data: dict[str, Any]) -> None:
        session = _session(data.get("session_id"))
        if self._session is not None:
            if session == self._session:
                return
            self._silence(place)
            self._newest = None
        self._session = session
        found = number(data.get("stream_id"))
        if found is not None and self._newest is None:
            self._newest = found
            self._open(Stream(data["stream_id"], place, at))

    def _asked(self, place: int, at: float, data: dict[str, Any]) -> None:
        found = number(data.get("stream_id"))
        if found is None or (self._newest is not None and found < self._newest):
            return
        transcript = data.get("transcript", [])
        if found == self._newest and self._is_again(transcript):
            return
        self._silence(place)
        self._newest = found
        self._open(Stream(data["stream_id"], place, at, transcript))

    def _is_again(self, transcript: Any) -> bool:
        current = self._current
        if current is None or current.transcript is None:
            return False
        return current.transcript == transcript or not (current.endings or current.silenced)

    def _interrupted(self, place: int, told: int | None) -> None:
        current = self._current
        if current is not None and told in {None, number(current.stream_id)}:
            self._silence(place)

    def _open(self, stream: Stream) -> None:
        self._current = stream
        self.reading.streams.append(stream)

    def _silence(self, place: int) -> None:
        current = self._current
        if current is not None and current.silenced is None and not current.endings:
            current.silenced = place

    def _got(self, place: int, message: dict[str, Any]) -> None:
        data = message["data"]
        if message["type"] != "stream_response":
            return
        told = number(data["stream_id"])
        mine = [stream for stream in self.reading.streams if number(stream.stream_id) == told]
        if mine:
            mine[-1].frames.append((place, data))
        else:
            self.reading.strays.append((place, data))


def _text(content: object) -> str:
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return content if isinstance(content, str) else " ".join(filter(None, texts))


def _session(told: object) -> str:
    return str(told)[:256] if isinstance(told, str | int) else ""


def read(tape: Tape) -> Reading:
    """Find the streams of a tape."""
    return _Reader(tape).reading


def _message(sent: object) -> Iterator[dict[str, Any]]:
    if not isinstance(sent, str) or sent.count("{") + sent.count("[") > 10_000:
        return
    try:
        message = json.loads(sent.replace("\0", ""))
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        yield message
