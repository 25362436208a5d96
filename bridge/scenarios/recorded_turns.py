"""One turn on record, as a step of a scenario. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.agent.policy import READS_ONLY
from bridge.local.playback import words_in
from bridge.scenarios.silences import Silence
from bridge.store.notes.plain import CUT
from bridge.store.shapes import ToolRun, Turn

_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+")
_OURS: Final = frozenset({END_CALL, TRANSFER_CALL})
"""What they do to the call is expected as `ends`."""
_SURE: Final = frozenset({"ok", "failed", "refused"})
"""Outcomes that do not depend on when the caller spoke, or how long something took."""
_LONGEST: Final = 3600.0
"""Seconds that may stand in a scenario; no tool has as long."""


@dataclass(slots=True)
class Step:
    """One turn of a scenario, and what is noted beside it."""

    turn: dict[str, Any]
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def steps_of(turn: Turn, before: Turn | None, *, words: bool) -> Iterator[Step]:
    """What the caller said, over what; nothing if there are no words of theirs."""
    asked = (turn.asked or "").removesuffix(CUT).strip()
    if not asked:
        return
    step = Step(_spoken(asked, before))
    if turn.asked and turn.asked.endswith(CUT):
        step.before.append("The record has only the beginning of this line.")
    runs = [run for run in turn.tool_runs if run.name not in _OURS]
    if stubs := _stubs(runs, step):
        step.turn["tools"] = stubs
    expect = words_of(turn) if words else {}
    if runs:
        expect["tools"] = [_expected(run, step) for run in runs]
    if expect:
        step.turn["expect"] = expect
    step.after += answered(turn)
    yield step


def _spoken(asked: str, before: Turn | None) -> dict[str, Any]:
    if before is None or not _cut(before):
        return {"say": asked}
    heard = len(words_in(before.heard or ""))
    return {"barge_in": asked, **({"after_words": heard} if heard else {})}


def _cut(turn: Turn) -> bool:
    return turn.heard_chars is not None or turn.outcome in ("interrupted", "superseded")


def _expected(run: ToolRun, step: Step) -> dict[str, Any]:
    expected: dict[str, Any] = {"name": run.name}
    arguments = whole(run.arguments or {})
    if arguments:
        expected["arguments"] = arguments
    if holds_cut(run.arguments):
        step.before.append(
            f"Arguments of {run.name} that were too long for the record are missing."
        )
    if run.outcome in _SURE:
        expected["outcome"] = run.outcome
    else:
        step.before.append(f"Then the outcome of {run.name} was: {run.outcome or 'unknown'}.")
    return expected


def _stubs(runs: Sequence[ToolRun], step: Step) -> dict[str, Any]:
    """Results for what has side effects, and is not to be done again."""
    stubs: dict[str, Any] = {}
    for run in runs:
        if run.outcome == "refused" or (run.policy or "").startswith(READS_ONLY):
            continue
        stub = _stub(run)
        if stubs.setdefault(run.name, stub) != stub:
            step.before.append(f"Another use of {run.name} in this turn had another result.")
    return stubs


def _stub(run: ToolRun) -> Any:
    """What a tool is to give, so that it ends as it did then."""
    result = (run.result or "").removesuffix(CUT)
    match run.outcome:
        case "ok":
            return result
        case "failed":
            return {"fails": result if result.strip() else "It failed."}
        case "timeout":
            return {"result": result, "after": _LONGEST}
        case _:
            seconds = min(_LONGEST, round((run.duration_ms or 0) / 1000, 1))
            return {"result": result, "after": seconds}


def words_of(turn: Turn) -> dict[str, Any]:
    """Expect what the caller heard, sentence by sentence."""
    text = turn.said if turn.heard_chars is None else turn.heard
    sentences = [s for s in _SENTENCE.split((text or "").removesuffix(CUT).strip()) if s.strip()]
    if not sentences or turn.outcome == "failed":
        return {}
    return {"says": {"contains": sentences}}


def answered(turn: Turn) -> Iterator[str]:
    """What the agent said then."""
    said = (turn.said or "").strip()
    yield f"then: {said}" if said else "then nothing was said"
    if turn.heard_chars is not None:
        yield f"of that was heard: {(turn.heard or '').strip() or 'nothing'}"
    if turn.outcome == "failed":
        yield f"which is an apology ({turn.failure or 'unknown'})"


def silence_of(silence: Silence, *, words: bool) -> Step:
    """The caller says nothing, and the agent does."""
    step = Step({"silence": silence.seconds}, after=[f"then: {silence.said}"])
    if words:
        step.turn["expect"] = {"says": {"contains": silence.said}}
    return step


# ── what the record has cut ──────────────────────────────────────────────────────────────────────


def holds_cut(value: Any) -> bool:
    """Whether the record has left something of it out."""
    if isinstance(value, dict):
        return any(map(holds_cut, (*value.keys(), *value.values())))
    if isinstance(value, list):
        return any(map(holds_cut, value))
    return isinstance(value, str) and value.endswith(CUT)


def whole(values: dict[str, Any]) -> dict[str, Any]:
    """Those of which nothing was cut."""
    return {name: value for name, value in values.items() if not holds_cut({name: value})}
