"""Open-ended expectations, which a model decides on once the call is over."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bridge.agent.closing import close_model
from bridge.agent.judge import NotJudged, verdict
from bridge.agent.models import build_model
from bridge.local.plain import cut
from bridge.scenarios.outcome import Finding, Outcome, TurnResult
from bridge.scenarios.reading import Scenario
from bridge.scenarios.tree import Path

_LONGEST: Final = 4000
"""Characters of one thing that a judge gets to read."""


def unjudged(scenario: Scenario, outcome: Outcome) -> Outcome:
    """Say what nobody has decided on."""
    places = [place for turn in outcome.turns for place, _ in _expected(scenario, turn)]
    if not places:
        return outcome
    lines = ", ".join(str(scenario.line(place)) for place in places)
    remark = f"{scenario.file}:{lines}: not judged, as there is no model for it: give --judge"
    return outcome.model_copy(update={"remarks": (*outcome.remarks, remark)})


async def judged(scenario: Scenario, outcome: Outcome, model: str) -> Outcome:
    """Add what a model finds not to be as expected.

    Raises:
        SettingsError: there is no such model, or its key is missing.
    """
    if not any(True for turn in outcome.turns for _ in _expected(scenario, turn)):
        return outcome
    chat = build_model(model).chat
    turns: list[TurnResult] = []
    try:
        for turn in outcome.turns:
            findings: list[Finding] = []
            for place, expectation in _expected(scenario, turn):
                problem = ""
                try:
                    given = await verdict(chat, expectation, _call(outcome.turns, turn))
                    problem = "" if given.fulfilled else cut(given.reason, _LONGEST)
                except NotJudged as error:
                    problem = str(error)
                if problem:
                    line = scenario.line(place)
                    findings.append(Finding(line=line, expected="judge", problem=problem))
            turns.append(turn.model_copy(update={"findings": (*turn.findings, *findings)}))
    finally:
        await close_model(chat)
    return outcome.model_copy(update={"turns": tuple(turns)})


def _expected(scenario: Scenario, turn: TurnResult) -> Iterator[tuple[Path, str]]:
    """What is to be judged of a turn, and where that stands."""
    form = scenario.form
    place: Path
    if turn.turn == 0:
        expect, place = form.greeting, ("greeting",)
    else:
        number = turn.turn - 1
        expect, place = form.turns[number].expect, ("turns", number, "expect")
    for number, expectation in enumerate(expect.judge if expect else ()):
        yield (*place, "judge", number), expectation


def _call(turns: Sequence[TurnResult], last: TurnResult) -> list[dict[str, Any]]:
    """The call as a judge reads it: line by line, to the answer in question."""
    lines: list[dict[str, Any]] = []
    for turn in turns:
        if turn.asked:
            lines.append({"caller": turn.asked})
        lines += (
            {"tool": tool.name, "arguments": tool.arguments, "result": cut(tool.result, _LONGEST)}
            for tool in turn.tools
        )
        if turn.said or turn is last:
            # Of an answer that was spoken over, the rest was sent, but never heard.
            said = turn.heard if turn.interrupted and turn is not last else turn.said
            lines.append({"agent": cut(said, _LONGEST)})
        if turn is last:
            break
    return lines
