"""Scenarios from a text, played on the clock that fits them."""

import textwrap
from pathlib import Path
from typing import Any

from bridge.scenarios.outcome import Outcome
from bridge.scenarios.reading import Scenario, parse
from bridge.scenarios.running import on_its_clock, run
from bridge.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = Path("scenarios/this.yaml")
QUICK = "habits: {words_per_second: 100, agent_words_per_second: 100, end_of_turn: 0.01}\n"
"""One line, for scenarios in real time."""


def scenario(text: str) -> Scenario:
    return parse(textwrap.dedent(text), FILE)


def settings(folder: Path = ROOT, **given: Any) -> Settings:
    """With tools and prompts of a folder, else those of the examples."""
    where = {"tools_dir": folder / "tools", "prompts_dir": folder / "prompts"}
    return Settings(**{"model": "demo", "filler_after": 0, **where, **given})


def played(text: str, folder: Path = ROOT, model: str | None = None, **given: Any) -> Outcome:
    """Play it; the same as `bridge test` does."""
    read, chosen = scenario(text), settings(folder, **given)
    return on_its_clock(read, chosen, model)(run(read, chosen, model=model))


def problems(outcome: Outcome) -> list[tuple[int, str, str]]:
    """Everything that was not as expected: line, expectation, problem."""
    found = (finding for turn in outcome.turns for finding in turn.findings)
    return [(one.line, one.expected, one.problem) for one in found]
