"""A scenario of a call on record: what the caller did, and what the agent did about it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.scenarios.recorded_turns import (
    Step,
    answered,
    holds_cut,
    silence_of,
    steps_of,
    whole,
    words_of,
)
from bridge.scenarios.silences import silences_of
from bridge.settings import DEMO
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.store.shapes import CallDetail, Turn

_NUMBER: Final = "+15550100"
"""Stands for a caller's number: nobody has it."""


@dataclass(slots=True)
class Recorded:
    """A scenario that is still to be written."""

    head: dict[str, Any]
    """All but the turns."""
    remarks: list[str]
    """What somebody should know who reads it."""
    greeting: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def recorded(calls: Sequence[CallDetail], *, words: bool, numbers: bool) -> Recorded:
    """Make a scenario of the connections of one call.

    `words`: expect the agent's words, too. `numbers`: keep telephone numbers.

    Raises:
        ValueError: its words were not kept, or the caller said nothing.
    """
    first = calls[0]
    if any(call.level == "metadata" for call in calls):
        raise ValueError("no words were kept of this call (BRIDGE_RECORD was metadata)")
    greeting, turns = _turns(calls)
    made = Recorded(
        {
            "about": f"Made from a call on record, of {first.started_at:%Y-%m-%d}.",
            **_model(turns),
            "call": _about(first, numbers=numbers),
        },
        list(_remarks(calls, turns, numbers=numbers)),
    )
    silences = silences_of(calls)
    before = greeting
    if greeting is not None:
        made.greeting = list(answered(greeting))
        if words and (expected := words_of(greeting)):
            made.head["greeting"] = expected
        made.steps += [silence_of(silence, words=words) for silence in silences.get(-1, ())]
    for turn in turns:
        made.steps += steps_of(turn, before, words=words)
        made.steps += [silence_of(silence, words=words) for silence in silences.get(turn.place, ())]
        before = turn
    if not made.steps:
        raise ValueError("the caller said nothing in this call")
    _end(made, calls[-1])
    return made


def _turns(calls: Sequence[CallDetail]) -> tuple[Turn | None, list[Turn]]:
    """The greeting, and one turn for each line of the caller's, in order.

    A line that was asked twice, such as on a new socket, has its newest answer and all its tools.
    """
    greeting: Turn | None = None
    newest: dict[int, Turn] = {}
    for turn in (turn for call in calls for turn in call.timeline):
        if turn.place < 0:
            greeting = greeting or turn
            continue
        earlier = newest.get(turn.place)
        runs = (*earlier.tool_runs, *turn.tool_runs) if earlier else turn.tool_runs
        newest[turn.place] = turn.model_copy(update={"tool_runs": runs})
    return greeting, [turn for _, turn in sorted(newest.items())]


def _model(turns: Sequence[Turn]) -> dict[str, str]:
    return {"model": DEMO} if {turn.model for turn in turns if turn.model} == {DEMO} else {}


def _about(call: CallDetail, *, numbers: bool) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if call.agent_id:
        about["agent_id"] = call.agent_id
    if call.persona not in (None, DEFAULT_PERSONA):
        about["persona"] = call.persona
    if call.metadata:
        about["metadata"] = whole(call.metadata)
    if call.caller:
        about["from"] = call.caller if numbers else _NUMBER
    if call.called and numbers:
        about["to"] = call.called
    return about


def _remarks(calls: Sequence[CallDetail], turns: Sequence[Turn], *, numbers: bool) -> Iterator[str]:
    first = calls[0]
    yield "It holds what a caller said, and what was known of them: look through it before you"
    yield "share it."
    if (first.caller or first.called) and not numbers:
        yield "Their number was left out (--numbers keeps it): a tool that looks somebody up by it"
        yield "finds nobody."
    if len(calls) > 1:
        yield f"It had {len(calls)} connections, for the line was lost: here it is one call."
    models = sorted({turn.model for turn in turns if turn.model})
    if models and models != [DEMO]:
        yield f"Then it was answered by {', '.join(models)}; now by the model of the settings."
    if first.continues:
        yield "It went on from an earlier call, which is not in it."
    if holds_cut(first.metadata):
        yield "Metadata that was too long for the record is missing."
    if any(call.state != "ended" for call in calls):
        yield "How it ended is not on record."


def _end(made: Recorded, call: CallDetail) -> None:
    last = made.steps[-1]
    if call.ending == "ended":
        last.turn.setdefault("expect", {})["ends"] = "call"
    elif call.ending == "transferred":
        if number := _transferred_to(call):
            last.turn.setdefault("expect", {})["ends"] = {"transfer": number}
        else:
            last.after.append("then the caller was transferred; the record does not say where to")
    else:
        last.after.append(f"then the call was over: {call.ending or 'nobody knows how'}")


def _transferred_to(call: CallDetail) -> str:
    messages = (frame.message for frame in call.frames or () if frame.way == "out")
    found = [str(m["data"]["destination"]) for m in messages if m["type"] == "transfer_call"]
    return found[-1] if found else ""
