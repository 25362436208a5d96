"""What a replay takes from the record: the model's answers, what tools did, an earlier call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.agent.replayed import Ending, RecordedAnswers, RecordedMessage
from bridge.agent.standin import RecordedRun
from bridge.call.earlier import NoEarlier
from bridge.call.events import CallData
from bridge.call.memory import Deed, Exchange, Past
from bridge.call.notes import divided
from bridge.local.replay_script import CUT
from bridge.store.shapes import CallDetail, ToolRun, Turn

_ENDS: Mapping[str, Ending] = {**dict.fromkeys(CUT, "cut"), "failed": "broken"}
"""How the last message of a turn ended, by the turn's outcome."""


def answers_of(turns: Iterable[Turn], apology: str) -> Iterator[RecordedAnswers]:
    """What the model said, turn by turn.

    Only whole messages are on record. Of one that was cut off there is what was sent of it; where
    that was because it failed, the `apology` follows.
    """
    for turn in turns:
        messages = [
            RecordedMessage(
                message.text or "",
                tuple((str(call["name"]), call["arguments"]) for call in message.tool_calls),
                (message.first_token_ms or 0) / 1000,
                message.duration_ms / 1000,
            )
            for message in turn.messages or ()
        ]
        if turn.outcome in _ENDS or _goes_on(messages):
            before = " ".join(each.text for each in messages)
            messages.append(_unfinished(turn, before, apology))
        yield RecordedAnswers(turn.stream_id, turn.asked or "", tuple(messages))


def _goes_on(messages: Sequence[RecordedMessage]) -> bool:
    """Whether another message followed, if the model was asked at all: one that was too long."""
    return not messages or bool(messages[-1].tool_calls)


def _unfinished(turn: Turn, before: str, apology: str) -> RecordedMessage:
    said, end = turn.said or "", _ENDS.get(turn.outcome, "whole")
    if end == "broken":
        said = said.strip().removesuffix(apology.strip())
    rest = divided(said, before)[1] if before.strip() else said.strip()
    first = 0 if before.strip() else turn.first_frame_ms or 0
    took = (turn.last_frame_ms or 0) - (turn.first_frame_ms or 0)
    return RecordedMessage(f"{rest} ", (), first / 1000, (first + max(0, took)) / 1000, end)


def runs_of(calls: Iterable[CallDetail]) -> Iterator[RecordedRun]:
    """What tools did, in order."""
    for call in calls:
        for run in call.every_tool_run():
            took = (run.duration_ms or 0) / 1000
            yield RecordedRun(run.name, run.arguments or {}, run.result or "", run.outcome, took)


class Remembered(NoEarlier):
    """A call goes on from the same earlier one as then."""

    healthy = True

    def __init__(self, calls: Sequence[CallDetail]) -> None:
        """`calls`: the connections of the earlier call, oldest first; none for no call."""
        self._calls = calls

    def asks(self, call: CallData) -> bool:
        """Whether there is one."""
        del call
        return bool(self._calls)

    async def past(self, call: CallData) -> Past:
        """What was said and done in it."""
        del call
        turns = [turn for each in self._calls for turn in each.timeline]
        exchanges = tuple(_exchange(turn) for turn in turns if turn.place >= 0)
        newest = self._calls[-1]
        return Past(newest.session_id, newest.started_at, exchanges)


def _exchange(turn: Turn) -> Exchange:
    heard = turn.said if turn.heard is None else turn.heard
    note = "You were cut off here." if turn.heard_chars is not None else ""
    if turn.outcome == "failed":
        note = "Something went wrong in this answer."
    return Exchange(turn.asked or "", tuple(map(_deed, turn.tool_runs)), heard or "", note)


def _deed(run: ToolRun) -> Deed:
    return Deed(run.name, run.arguments or {}, run.result or "", run.outcome or "unknown")
