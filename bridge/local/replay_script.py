"""What a caller on record said, and when: the script of a replay. Pure."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.local.replay_frames import frames_of
from bridge.store.shapes import CallDetail, Frame, ToolRun

CUT: Final = frozenset({"interrupted", "superseded", "hung_up"})
"""Outcomes of turns that were not sent to their end."""
_PAUSES: Final = {"partial_transcript": 3000}
"""Milliseconds that Millis may wait after a message, to be sure that the caller is done."""
_SETTLED: Final = 50
"""After any other: the bridge may have something to do, such as to end the call."""
BY_AGENT: Final = frozenset({"ended", "transferred"})
"""Endings of calls that are the agent's doing."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One message of Millis's, and when it came."""

    message: Mapping[str, Any] | None
    """None: the caller hung up."""
    stream: int | None
    """The newest stream that was asked for before; None if there was none."""
    over: bool
    """Whether its answer had been sent to the end by then, or been cut."""
    ms: int
    """Since that, or else since it was asked for."""
    letters: int
    """How much of the answer had been sent by then: characters without spaces."""
    pause: int = 0
    """Milliseconds since the message before it, where that is no silence of the caller's."""
    idle: bool = True
    """Whether no tool was running."""
    answered: bool = False
    """Whether it was answered by a turn."""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that Millis said in a call."""

    start: Mapping[str, Any]
    """The data of its `start_call`."""
    cues: tuple[Cue, ...]
    """What followed; the last one is the end."""
    by_agent: bool
    """Whether the agent ended the call."""
    whole: bool
    """Whether the messages are the recorded ones; else they are made from the turns."""


def script_of(call: CallDetail) -> Script:
    """Read the script of one connection from the record.

    Raises:
        ValueError: its words were not kept.
    """
    if call.level == "metadata":
        raise ValueError(
            "no words were kept of this call (BRIDGE_RECORD was metadata), so there is nothing to "
            "replay"
        )
    frames = call.frames or ()
    whole = _is_whole(call, frames)
    heard = list(frames) if whole else frames_of(call)
    start = next((f for f in heard if f.message["type"] == "start_call"), None)
    about = dict(start.message["data"]) if start else {}
    if start is None or start is not next(f for f in heard if f.way == "in"):
        about["stream_id"] = None  # it came late, and asked for no greeting
    cues = tuple(_Ear(call, about.get("stream_id")).cues(heard))
    return Script(about, cues, call.ending in BY_AGENT, whole)


def _is_whole(call: CallDetail, frames: Sequence[Frame]) -> bool:
    """Whether every turn's request is among the frames: some may be lost, or were not kept."""
    asked = Counter(_stream_of(f) for f in frames if f.message["type"] == "stream_request")
    answered = Counter(turn.stream_id for turn in call.timeline if turn.place >= 0)
    began = any(frame.message["type"] == "start_call" for frame in frames)
    return began and answered <= asked


def _stream_of(frame: Frame) -> str | None:
    message = frame.message
    stream_id = message.get("stream_id", (message.get("data") or {}).get("stream_id"))
    return None if stream_id is None else str(stream_id)


class _Ear:
    """Listens to a recorded call, from its first message to its last."""

    def __init__(self, call: CallDetail, greeting: int | str | None) -> None:
        self._call = call
        self._left = Counter(turn.stream_id for turn in call.timeline if turn.place >= 0)
        """How many turns are to come on each stream. A request that came twice has one turn."""
        self._runs = list(call.every_tool_run())
        self._stream = None if greeting is None else str(greeting)
        self._asked_at = 0
        self._over_at: int | None = None
        self._letters = 0
        self._before: tuple[str, int] | None = None
        """The message before, and when it came; none where it was the beginning of a turn."""

    def cues(self, frames: Sequence[Frame]) -> Iterator[Cue]:
        for frame in frames:
            if frame.way == "out":
                self._hear_agent(frame)
            elif frame.message["type"] == "stream_request":
                if _stream_of(frame) in self._left:
                    yield self._request(frame)
            elif frame.message["type"] != "start_call":
                yield self._other(frame)
        yield self._hang_up(frames)

    def _request(self, frame: Frame) -> Cue:
        at, stream = frame.at_ms, str(_stream_of(frame))
        answered = self._left[stream] > 0
        cue = self._cue(at, frame.message, answered=answered)
        if answered:
            self._left[stream] -= 1
            self._stream, self._asked_at, self._over_at, self._letters = stream, at, None, 0
            self._before = None
        return cue

    def _other(self, frame: Frame) -> Cue:
        kind, at = frame.message["type"], frame.at_ms
        cue = self._cue(at, frame.message)
        mine = _stream_of(frame) in (None, self._stream)
        if kind == "interrupt" and mine and self._over_at is None:
            self._over_at = at
        return cue

    def _hear_agent(self, frame: Frame) -> None:
        data = frame.message["data"]
        if str(data["stream_id"]) == self._stream and frame.message["type"] == "stream_response":
            self._letters += letters(data.get("content", ""))
            if data.get("end_of_stream") and self._over_at is None:
                self._over_at = frame.at_ms

    def _hang_up(self, frames: Sequence[Frame]) -> Cue:
        """The end. Where nobody knows when that was, it is after the last answer."""
        call = self._call
        if call.ended_at is not None and call.ending != "aborted":
            at = round((call.ended_at - call.started_at).total_seconds() * 1000)
        else:
            at = frames[-1].at_ms if frames else 0
            self._over_at = at if self._over_at is None else self._over_at
        return self._cue(at, None)

    def _cue(self, at: int, message: Mapping[str, Any] | None, *, answered: bool = False) -> Cue:
        since = self._asked_at if self._over_at is None else self._over_at
        pause = 0
        if self._before is not None and message is not None:
            kind, before = self._before
            pause = min(at - before, _PAUSES.get(kind, _SETTLED))
        if message is not None:
            self._before = (message["type"], at)
        return Cue(
            message,
            None if self._stream is None else int(self._stream),
            over=self._over_at is not None,
            ms=max(0, at - since),
            letters=self._letters,
            pause=pause,
            idle=not any(_runs_at(run, at) for run in self._runs),
            answered=answered,
        )


def letters(text: str) -> int:
    """Count what is heard of a text."""
    return len("".join(text.split()))


def _runs_at(run: ToolRun, at: int) -> bool:
    took = math.inf if run.duration_ms is None else run.duration_ms
    return run.at_ms <= at < run.at_ms + took
