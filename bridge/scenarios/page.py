"""Outcomes for people: a line for each scenario, and below it what was said where it fails."""

from collections.abc import Iterator

from bridge.local.plain import cut, plain
from bridge.scenarios.checking import in_short
from bridge.scenarios.outcome import Outcome, TurnResult
from bridge.scenarios.repeats import Repeats

_LONGEST = 400
"""Characters of one thing that are shown."""


def headline(repeats: Repeats) -> str:
    """How it went, without the word for it."""
    last = repeats.runs[-1]
    turns = len(last.turns) - 1
    shown = [f"{turns} turn{'s' if turns != 1 else ''}", f"{last.seconds:.1f} s", plain(last.model)]
    if len(repeats.runs) > 1:
        passed = sum(run.passed for run in repeats.runs)
        shown.insert(0, f"{passed} of {len(repeats.runs)} passed ({repeats.pass_rate:.0%})")
    return " · ".join(shown)


def details(repeats: Repeats) -> Iterator[str]:
    """What was not as expected, run by run, and what was not looked at."""
    for number, run in enumerate(repeats.runs, 1):
        if not run.passed:
            if len(repeats.runs) > 1:
                yield f"run {number} of {len(repeats.runs)}"
            yield from _failed(run)
    yield from dict.fromkeys(plain(remark) for run in repeats.runs for remark in run.remarks)


def _failed(outcome: Outcome) -> Iterator[str]:
    for turn in outcome.turns:
        if turn.findings:
            yield from _turn(outcome, turn)


def _turn(outcome: Outcome, turn: TurnResult) -> Iterator[str]:
    what = f"{turn.did}: {_shown(turn.asked)}" if turn.asked else turn.did
    yield f"{plain(outcome.file)}:{turn.line}: {what}"
    said = _shown(turn.said) or "(nothing)"
    yield f"  said: {said}"
    if turn.interrupted:
        yield f"  heard: {_shown(turn.heard) or '(nothing)'}"
    for tool in turn.tools:
        end = f"{tool.outcome or 'no end'}: {_shown(tool.result)}"
        yield f"  tool: {_shown(in_short(tool))} → {end}"
    for finding in turn.findings:
        expected = f"{finding.expected}: " if finding.expected else ""
        yield f"  line {finding.line}: {expected}{_shown(finding.problem)}"


def _shown(text: str) -> str:
    return cut(plain(text).strip(), _LONGEST)
