"""`bridge test`: scenarios played to the agent, and what was not as expected."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from bridge.cli import machine
from bridge.local.dialing import CallRefused
from bridge.local.plain import plain
from bridge.logs import configure_logs
from bridge.scenarios.junit import junit
from bridge.scenarios.page import details, headline
from bridge.scenarios.reading import Scenario, ScenarioError, found, read
from bridge.scenarios.repeats import Played, Repeats
from bridge.scenarios.running import on_its_clock, run
from bridge.settings import Settings

FOLDER: Final = Path("scenarios")


@dataclass(frozen=True, slots=True)
class Manner:
    """How scenarios are played."""

    model: str | None = None
    """Against this model, whatever they say."""
    repeat: int = 1
    pass_rate: float = 1.0
    """The part of the runs that must pass."""
    judge: str | None = None
    """The model that decides on open-ended expectations."""


def test(
    settings: Settings, files: Sequence[Path], manner: Manner, *, report: Path | None, as_json: bool
) -> int:
    """Play scenarios and print how they went; 1 if one fails, 2 if one cannot be played."""
    configure_logs(
        "debug" if settings.log_level == "debug" else "error",
        settings.log_format,
        settings.secrets,
        private=settings.log_private,
    )
    console = Console(highlight=False, soft_wrap=True)
    played: list[Repeats] = []
    try:
        for scenario in _read(found(files, FOLDER)):
            played.append(_play(scenario, settings, manner))
            if not as_json:
                _show(console, played[-1])
        if report is not None:
            report.write_bytes(junit(played))
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except CallRefused as error:
        sys.stderr.write(f"bridge: no call can be held: {error}\n")
        return 2
    except OSError as error:
        if report is None or error.filename != str(report):
            raise
        sys.stderr.write(f"bridge: cannot write {plain(report)}: {error.strerror}\n")
        return 2
    everything = Played(scenarios=tuple(played))
    if as_json:
        machine.show(everything)
    elif len(played) > 1:
        passed = sum(repeats.passed for repeats in played)
        console.print(f"{passed} of {len(played)} scenarios passed")
    return 0 if everything.passed else 1


def _read(files: Sequence[Path]) -> list[Scenario]:
    """Read all before the first is played.

    Raises:
        ScenarioError: some cannot be read; all that is wrong with them is told.
    """
    scenarios: list[Scenario] = []
    problems: list[str] = []
    for file in files:
        try:
            scenarios.append(read(file))
        except ScenarioError as error:
            problems.append(str(error))
    if problems:
        raise ScenarioError("\n".join(problems))
    return scenarios


def _play(scenario: Scenario, settings: Settings, manner: Manner) -> Repeats:
    on_clock = on_its_clock(scenario, settings, manner.model)
    runs = []
    for number in range(1, manner.repeat + 1):
        again = f", {number} of {manner.repeat}" if manner.repeat > 1 else ""
        with _progress(f"{plain(scenario.file)}{again}"):
            runs.append(on_clock(run(scenario, settings, model=manner.model, judge=manner.judge)))
    return Repeats(runs=tuple(runs), wanted=manner.pass_rate)


@contextlib.contextmanager
def _progress(doing: str) -> Iterator[None]:
    """Show what is being done, where somebody waits for it; tools may print."""
    waiting = Console(stderr=True, highlight=False)
    shown = waiting.status(Text(doing)) if waiting.is_terminal else contextlib.nullcontext()
    with contextlib.redirect_stdout(sys.stderr), shown:
        yield


def _show(console: Console, repeats: Repeats) -> None:
    """Print how one went. All that is in it may be hostile: it is stripped, and never markup."""
    word, style = ("passed", "green") if repeats.passed else ("FAILED", "bold red")
    file = plain(repeats.runs[0].file)
    console.print(Text.assemble((word, style), f"  {file}  ", (headline(repeats), "dim")))
    for line in details(repeats):
        console.print(Text(f"    {line}"))
