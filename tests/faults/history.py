"""Everything that one case left behind: what the oracles look at, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.tape import Tape


@dataclass(frozen=True)
class Kept:
    """One call as the database has it."""

    session: str
    sent: Sequence[Mapping[str, Any]]
    """Messages to Millis, as they are on record."""
    turns: Sequence["KeptTurn"] = ()
    ended: bool = True


@dataclass(frozen=True)
class KeptTurn:
    """One reply as the database has it."""

    stream_id: str
    said: str
    outcome: str


@dataclass(frozen=True)
class Upstream:
    """One request as the model's server has it. Times are `time.monotonic()` seconds."""

    question: str
    """The user's last line in it."""
    said: str
    """The text that was sent."""
    started_at: float
    done: bool = True
    """Whether it was sent to its end, as the script has it."""
    over: bool = True
    """Whether it was finished, or its client had left."""


@dataclass(frozen=True)
class Answered:
    """One question of the control call."""

    question: str
    said: str
    seconds: float
    """To the first word."""


@dataclass(frozen=True)
class Control:
    """What the control call met with, meanwhile."""

    answers: Sequence[Answered] = (Answered("ctl 1", "You said: ctl 1", 0.01),)
    held: float = 0.0
    """Seconds of its own CPU time for which the event loop was held at once: a busy machine does
    not count."""


@dataclass(frozen=True)
class History:
    """What happened in a case."""

    tapes: Sequence[Tape] = ()
    upstream: Sequence[Upstream] = ()
    control: Control = field(default_factory=Control)
    left: Sequence[str] = ()
    """What was there five seconds after the calls were over, and was not before."""
    kept: Sequence[Kept] = ()
    log: Sequence[str] = ()
    canaries: Sequence[str] = ()
    """What neither caller nor log may tell."""
    unheard: Sequence[str] = ()
    """What the caller may not hear, beside: names of tools, addresses."""
    numbers: Sequence[str] = ()
    """Phone numbers of the case."""
    own_lines: Sequence[str] = ()
    """What the bridge says by itself: greeting, apology and the like."""
    patience: float = 20.0
    """Seconds within which something must be said: the deadline of a turn."""
