"""What a bridge tells of a call while it goes on: which tools ran, for which answer, and when."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.call.events import (
    CallData,
    CallEnded,
    CallEvent,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
)
from bridge.call.ledger import ToolOutcome
from bridge.protocol import Inbound, Outbound


@dataclass(slots=True)
class ToolUsed:
    """One use of a tool."""

    name: str
    arguments: Mapping[str, Any]
    at: float
    """When it began: seconds since the call did."""
    outcome: ToolOutcome | None = None
    """None while it runs."""
    result: str | None = None
    """What the model read of it."""
    seconds: float | None = None
    """How long it took."""


class Witness:
    """Takes note of one connection: `bridge.call.events.Record`."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        """Set when the bridge has done with the call."""
        self.failures: dict[int, str] = {}
        """Why an answer was an apology, by stream."""
        self._streams: dict[int, int] = {}
        """The turn that answered each stream; of a request that came twice, the newest."""
        self._tools: dict[str, tuple[int, ToolUsed]] = {}
        """Turn and use of each, in order."""
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    def tools_of(self, stream_id: int) -> list[ToolUsed]:
        """What was used for one answer, in order."""
        turn = self._streams.get(stream_id)
        return [tool for of, tool in self._tools.values() if of == turn]

    @property
    def tools(self) -> list[ToolUsed]:
        """All that was used, also for answers that nobody asked for in the end."""
        return [tool for _, tool in self._tools.values()]

    def note(self, call: CallData, event: CallEvent) -> None:
        """Keep what tests ask for."""
        del call
        match event:
            case TurnBegan():
                self._streams[int(event.stream_id)] = event.turn
            case TurnEnded(failure=str(failure)):
                self.failures[int(event.stream_id)] = failure
            case ToolBegun():
                used = ToolUsed(event.name, event.arguments, self._now() - self._began)
                self._tools[event.id] = event.turn, used
            case ToolFinished():
                _, used = self._tools[event.id]
                used.outcome, used.result, used.seconds = event.outcome, event.result, event.seconds
            case CallEnded():
                self.ended.set()
            case _:
                pass

    def secure(self, call: CallData, event: TurnEnded) -> None:
        """Wait for `note`: it is told again."""

    def heard(self, call: CallData, message: Inbound) -> None:
        """Forget a message from Millis."""

    def sent(self, call: CallData, message: Outbound) -> None:
        """Forget a message to Millis: the caller has it."""
