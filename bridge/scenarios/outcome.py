"""What came of a scenario: what was said, heard and done in every turn, and was not expected."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, computed_field

Action = Literal["call"] | dict[Literal["transfer"], str]


class Result(BaseModel):
    """One thing that is told: frozen, and JSON."""

    model_config = ConfigDict(frozen=True)


class Finding(Result):
    """Something that is not as expected."""

    line: int
    """Of the file: where that expectation stands."""
    expected: str
    """Which one, as `says.contains`; empty where it goes without saying."""
    problem: str


class ToolUsed(Result):
    """One use of a tool."""

    name: str
    arguments: dict[str, Any]
    outcome: str | None = None
    """None: it never ended."""
    result: str = ""


class MessageRead(Result):
    """One message that the model read."""

    role: str
    content: str


class TurnResult(Result):
    """What came of one turn of the scenario; of the greeting, too."""

    turn: int
    """Counts from 1; 0 is the greeting."""
    line: int
    did: str
    """What the caller did: `say`, `barge_in`, `cough`, `silence`, or `greeting`."""
    asked: str = ""
    """Their words."""
    said: str = ""
    """What was sent to be spoken."""
    heard: str = ""
    """What was played of it."""
    interrupted: bool = False
    tools: tuple[ToolUsed, ...] = ()
    first_word: float | None = None
    """Seconds from the request to the first word that arrived, whosever."""
    dead_air: float | None = None
    """The longest time without a word, from the request to the end: seconds."""
    ends: Action | None = None
    """What was done to the line after it."""
    failure: str | None = None
    """Why it was an apology."""
    requests: tuple[tuple[MessageRead, ...], ...] = Field(default=(), exclude=True)
    """What the model was asked with, each time."""
    findings: tuple[Finding, ...] = ()


class Outcome(Result):
    """What came of a whole scenario, played once."""

    file: Annotated[Path, PlainSerializer(str)]
    about: str
    model: str
    """Who answered."""
    seconds: float
    """How long the call took, on the caller's clock."""
    turns: tuple[TurnResult, ...]
    remarks: tuple[str, ...] = ()
    """What was not looked at."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not any(turn.findings for turn in self.turns)
