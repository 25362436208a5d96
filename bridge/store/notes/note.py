"""One line of the spool: a row of one of the tables, and enough of its call to stand alone."""

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["call", "tally", "turn", "heard", "tool", "frames"]
"""`call` and `tally` are two halves of a row of `calls`: what `start_call` said, how it goes.
`heard` is what Millis tells of a turn that has been noted: it comes a while after that, and to note
the whole turn again would cost as much again."""

KINDS: Final = ("call", "tally", "turn", "heard", "tool", "frames")


@dataclass(frozen=True, slots=True)
class Head:
    """The columns of `calls` that are there from the beginning."""

    id: str
    session_id: str
    agent_id: str
    started_at: int
    replica: str
    level: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to keep. Of two with the same key, the one with the higher `seq` holds."""

    kind: Kind
    head: Head
    seq: int
    """Counts the notes of a call, from 1."""
    row: dict[str, Any]
    """The other columns of the table, plain enough for JSON."""

    @property
    def ends_call(self) -> bool:
        """Whether the call is over with it."""
        return self.kind == "tally" and self.row.get("ended_at") is not None
