"""Silences of a caller on record that the agent broke: how long, and with which words. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.store.shapes import CallDetail, Frame


@dataclass(frozen=True, slots=True)
class Silence:
    """One of them, from the end of an answer to the caller's next word."""

    seconds: float
    said: str
    """What the agent said into it."""


def silences_of(calls: Sequence[CallDetail]) -> Mapping[int, list[Silence]]:
    """All of them, by the caller's line after whose answer they were; -1 for the greeting.

    Only the messages on the wire tell, so there are none where these were not kept.
    """
    found: dict[int, list[Silence]] = {}
    for call in calls:
        places = {turn.stream_id: turn.place for turn in call.timeline}
        for stream_id, silence in _silences(call.frames or (), _length(call)):
            if stream_id in places:
                found.setdefault(places[stream_id], []).append(silence)
    return found


def _silences(frames: Sequence[Frame], end_ms: int) -> Iterator[tuple[str, Silence]]:
    ended: set[str] = set()
    """Streams whose answer is over: what comes on one is said into a silence."""
    since, said, on = 0, "", ""
    for frame in frames:
        kind, data = frame.message["type"], frame.message.get("data") or {}
        stream_id = str(data.get("stream_id"))
        if kind == "playback_finished" and not said:
            since = frame.at_ms
        elif kind == "stream_response":
            if stream_id in ended and data.get("content"):
                said, on = f"{said} {data['content']}".strip(), stream_id
            if data.get("end_of_stream"):
                ended.add(stream_id)
        elif kind in ("partial_transcript", "stream_request", "interrupt") and said:
            yield on, _silence(since, frame.at_ms, said)
            said = ""
    if said:
        yield on, _silence(since, end_ms, said)


def _silence(since: int, until: int, said: str) -> Silence:
    return Silence(min(3600.0, round(max(0, until - since) / 1000, 1)), said)


def _length(call: CallDetail) -> int:
    if call.ended_at is None:
        return call.frames[-1].at_ms if call.frames else 0
    return round((call.ended_at - call.started_at).total_seconds() * 1000)
