"""The messages of a call whose frames were not kept, made from its turns. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.store.shapes import CallDetail, Frame, Turn


def frames_of(call: CallDetail) -> list[Frame]:
    """What Millis and the bridge may have sent: enough to ask the same questions again."""
    turns = call.timeline
    frames = [_frame(0, "in", _start(call))]
    for number, turn in enumerate(turns):
        after = turns[number + 1] if number + 1 < len(turns) else None
        frames += _turn(turn, turns[:number], after)
    return sorted(frames, key=lambda frame: frame.at_ms)


def _start(call: CallDetail) -> dict[str, Any]:
    opening = next((turn for turn in call.timeline if turn.place < 0), None)
    data = {
        "stream_id": None if opening is None else int(opening.stream_id),
        "session_id": call.session_id,
        "agent_id": call.agent_id,
        "call_sid": call.call_sid,
        "metadata": call.metadata,
        "voip": {"from": call.caller, "to": call.called},
    }
    return {"type": "start_call", "data": data}


def _turn(turn: Turn, before: Sequence[Turn], after: Turn | None) -> Iterator[Frame]:
    stream_id, at = int(turn.stream_id), turn.at_ms
    if turn.place >= 0:
        lines = [*_lines(before, turn.place), {"role": "user", "content": turn.asked}]
        asked = {"stream_id": stream_id, "transcript": lines}
        yield _frame(at, "in", {"type": "stream_request", "data": asked})
    end = at + _last(turn, after)
    words = {"stream_id": stream_id, "content": turn.said or "", "end_of_stream": False}
    yield _frame(min(end, at + (turn.first_frame_ms or 0)), "out", _response(words))
    if turn.outcome == "interrupted":
        yield _frame(end, "in", {"type": "interrupt", "stream_id": stream_id})
    elif turn.outcome not in {"superseded", "hung_up"}:
        yield _frame(end, "out", _response({"stream_id": stream_id, "end_of_stream": True}))
        if turn.heard_chars is not None:  # the caller spoke while it was played
            yield _frame(end, "in", {"type": "interrupt", "stream_id": stream_id})
        elif turn.heard is not None:
            played = {"session_id": "", "stream_id": stream_id}
            yield _frame(end, "in", {"type": "playback_finished", "data": played})


def _last(turn: Turn, after: Turn | None) -> int:
    """When it was over, as far as that is known: a cut that nothing was said before is not.

    Never after the next began: whole milliseconds may say so, and an interrupt would come too late.
    """
    left = None if after is None else max(0, after.at_ms - turn.at_ms)
    if turn.last_frame_ms is None:
        return left or 0
    return turn.last_frame_ms if left is None else min(turn.last_frame_ms, left)


def _lines(before: Sequence[Turn], place: int) -> Iterator[dict[str, Any]]:
    """The conversation before a line of the caller's; of several turns for one line, the last."""
    newest = {turn.place: turn for turn in before if turn.place < place}
    for at, turn in sorted(newest.items()):
        if at >= 0:
            yield {"role": "user", "content": turn.asked}
        heard = turn.said if turn.heard is None else turn.heard
        if heard and heard.strip():
            yield {"role": "assistant", "content": heard.strip()}


def _response(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "stream_response", "data": dict(data)}


def _frame(at_ms: int, way: str, message: dict[str, Any]) -> Frame:
    return Frame.model_validate({"at_ms": at_ms, "way": way, "message": message})
