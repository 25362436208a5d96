"""What is told about a file that could not be used: a value for the log, /healthz and the CLI."""

from dataclasses import dataclass
from pathlib import Path

LONGEST_REASON = 240
"""Characters; a failure is one line."""


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A file that could not be used, and why."""

    file: Path
    """As shown to people: `tools/clock.py`."""
    line: int | None
    reason: str
    """One line."""
    kept: bool
    """Whether its last good version stays in use."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{where}: {self.reason}" + (" (last good version kept)" if self.kept else "")


class ToolFailure(LoadFailure):
    """A tool file that could not be used, and why."""

    __slots__ = ()


class PromptFailure(LoadFailure):
    """A prompt file that could not be used, and why."""

    __slots__ = ()


def one_line(text: str) -> str:
    """Fold text into one line fit for a log and a terminal."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    folded = " ".join(printable.split())
    return folded if len(folded) <= LONGEST_REASON else f"{folded[: LONGEST_REASON - 1]}…"
