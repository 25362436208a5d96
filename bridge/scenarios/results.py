"""From what the caller heard and what is on record of it to the result of every turn. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.agent.overhearing import MessageRead as Overheard
from bridge.agent.stubs import NOT_RUN
from bridge.local.answer import Stray
from bridge.protocol import EndCall
from bridge.scenarios.checking import differences
from bridge.scenarios.form import Expect
from bridge.scenarios.outcome import Finding, MessageRead, ToolUsed, TurnResult
from bridge.scenarios.playing import GREETING, Played
from bridge.scenarios.reading import Scenario
from bridge.scenarios.tree import Path
from bridge.store.shapes import Turn


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a call beside what the caller heard."""

    turns: Sequence[Turn]
    """On record."""
    requests: Mapping[int, Sequence[Sequence[Overheard]]]
    """What the model was asked with, by the number of the turn."""
    violations: Sequence[Stray]
    left: int = 0
    """Messages of the script that the model was not asked for."""
    missing: bool = False
    """Whether it was asked for more than there are."""


def results(scenario: Scenario, played: Sequence[Played], seen: Seen) -> list[TurnResult]:
    """What came of every turn, and what is not as expected."""
    found = [_result(scenario, one, seen) for one in played]
    form = scenario.form
    whole = len(played) == len(form.turns) + 1 and not played[-1].problem
    if seen.left and whole:
        place: Path = ("model", len(form.model or ()) - seen.left)
        plural = "messages" if seen.left > 1 else "message"
        problem = f"the model was not asked for this: {seen.left} {plural} left over"
        finding = Finding(line=scenario.line(place), expected="model", problem=problem)
        last = found[-1]
        found[-1] = last.model_copy(update={"findings": (*last.findings, finding)})
    return found


def _result(scenario: Scenario, played: Played, seen: Seen) -> TurnResult:
    form, greets = scenario.form, played.turn == GREETING
    turn = None if greets else form.turns[played.turn]
    place: Path = ("greeting",) if greets else ("turns", played.turn)
    recorded = _recorded(played, seen.turns)
    requests = seen.requests.get(recorded.number, ()) if recorded else ()
    result = TurnResult(
        turn=played.turn + 1,
        line=scenario.line(place),
        did=turn.what if turn else "greeting",
        asked=(turn.say or turn.barge_in or "") if turn else "",
        ends=_ends(played),
        failure=recorded.failure if recorded else None,
        tools=tuple(_used(recorded)),
        requests=tuple(tuple(map(_read, request)) for request in requests),
        **_sound(played),
    )
    expect = (form.greeting or Expect()) if turn is None else turn.expect
    findings = [
        *_troubles(result, played, seen),
        *(_differences(scenario, result, expect, place if turn is None else (*place, "expect"))),
    ]
    return result.model_copy(update={"findings": tuple(sorted(findings, key=lambda one: one.line))})


def _recorded(played: Played, turns: Sequence[Turn]) -> Turn | None:
    stream = None if played.answer is None else str(played.answer.stream_id)
    return next((turn for turn in reversed(turns) if turn.stream_id == stream), None)


def _sound(played: Played) -> dict[str, Any]:
    """How the answer sounded, or what was said in a silence."""
    answer = played.answer
    if answer is None:
        times = [said.asked_at for said in played.unasked]
        words = " ".join(said.text.strip() for said in played.unasked)
        return {"said": words, "first_word": times[0] - played.at if times else None}
    playback = answer.playback
    heard = playback.text[: playback.words[-1].place] if playback and playback.words else ""
    return {
        "said": answer.text.strip(),
        "heard": heard.strip(),
        "interrupted": answer.silenced == "interrupted",
        "first_word": answer.first_word,
        "dead_air": answer.dead_air,
    }


def _ends(played: Played) -> Any:
    match played.action:
        case None:
            return None
        case EndCall():
            return "call"
        case transfer:
            return {"transfer": transfer.data.destination}


def _used(turn: Turn | None) -> Iterator[ToolUsed]:
    for run in turn.tool_runs if turn else ():
        arguments, result = run.arguments or {}, run.result or ""
        yield ToolUsed(name=run.name, arguments=arguments, outcome=run.outcome, result=result)


def _read(message: Overheard) -> MessageRead:
    return MessageRead(role=message.role, content=message.content)


def _troubles(result: TurnResult, played: Played, seen: Seen) -> Iterator[Finding]:
    """What nobody has to write down to expect the contrary."""

    def finding(problem: str) -> Finding:
        return Finding(line=result.line, expected="", problem=problem)

    if played.problem:
        yield finding(played.problem)
    if result.failure and seen.missing:
        yield finding("the script has no message left for this answer")
    elif result.failure:
        yield finding(f"the reply failed ({result.failure}), and the caller heard an apology")
    for tool in result.tools:
        if tool.result == NOT_RUN:
            yield finding(
                f"{tool.name} has side effects and was not run: write what it gives under tools, "
                "or name it in live_tools"
            )
    stream = None if played.answer is None else played.answer.stream_id
    for stray in seen.violations:
        if stream is not None and stray.stream_id in (stream, None):
            yield finding(f"the bridge broke the protocol: a frame {stray.kind}")


def _differences(
    scenario: Scenario, result: TurnResult, expect: Expect, place: Path
) -> Iterator[Finding]:
    for below, problem in differences(expect, result):
        names = ".".join(part for part in below if isinstance(part, str))
        yield Finding(line=scenario.line((*place, *below)), expected=names, problem=problem)
