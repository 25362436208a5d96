"""One use of a tool, until it has ended."""

from dataclasses import dataclass
from typing import Any

from bridge.call.events import ToolBegun, ToolFinished
from bridge.store.notes.plain import milliseconds, plain_object, text


@dataclass(frozen=True, slots=True)
class ToolRow:
    """The columns of a tool that runs."""

    turn: int
    columns: dict[str, Any]

    @classmethod
    def begun(cls, event: ToolBegun, at_ms: int, *, words: bool) -> "ToolRow":
        """The tool has started. `words`: whether any are kept."""
        columns = {
            "id": event.id,
            "turn": event.turn,
            "at_ms": at_ms,
            "name": text(event.name, 256),
            "arguments": plain_object(event.arguments) if words else None,
            "policy": text(event.policy, 256) or None,
            "outcome": None,
            "result": None,
            "duration_ms": None,
        }
        return cls(event.turn, columns)

    def finished(self, event: ToolFinished, *, words: bool) -> dict[str, Any]:
        """The columns of one that has ended."""
        return {
            **self.columns,
            "outcome": event.outcome,
            "result": text(event.result) if words else None,
            "duration_ms": milliseconds(event.seconds),
        }
