"""How a call goes, in numbers."""

from dataclasses import dataclass, fields
from typing import Any

from bridge.store.notes.plain import milliseconds
from bridge.store.notes.turnrow import TurnRow


@dataclass(slots=True)
class Tally:
    """The half of a call's row that changes while it goes on."""

    ended_at: int | None = None
    ending: str | None = None
    turns: int = 0
    interrupted: int = 0
    failed: int = 0
    tools: int = 0
    slowest_ms: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    frames_lost: int | None = None

    def count(self, turn: TurnRow, *, new: bool) -> bool:
        """Count a turn that has ended, or has changed since; whether that changes a number."""
        interrupted, failed = before = turn.counted
        turn.counted = (turn.interrupted, turn.failed)
        self.turns += new
        self.interrupted += turn.interrupted - interrupted
        self.failed += turn.failed - failed
        self.slowest_ms = max(self.slowest_ms, milliseconds(turn.waited))
        return new or turn.counted != before

    def row(self) -> dict[str, Any]:
        """The columns."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = tuple(field.name for field in fields(Tally))
