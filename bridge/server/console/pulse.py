"""What the console notices of calls as they happen: news, how they began, where tools failed."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from bridge.call.events import CallBegan, CallData, CallEnded, CallEvent, ToolFinished, TurnEnded

_LONGEST: Final = 400
"""Characters of a result that are kept."""
_MOST: Final = 500
"""Tools that are remembered; there are not so many names."""


_RECENT: Final = 256
"""Events of all calls that are remembered: a page learns its call's name after it has begun."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a tool failed the last time."""

    at: datetime
    session_id: str
    outcome: str
    result: str
    """What the model was told."""


class Pulse:
    """Counts what happens in calls; remembers the last of it, and how each tool failed last."""

    def __init__(self) -> None:
        self.beats = 0
        """Grows when a list of calls would look different."""
        self._troubles: dict[str, Trouble] = {}
        self._recent: deque[tuple[str, CallEvent]] = deque(maxlen=_RECENT)

    def recent(self, session_id: str) -> Iterator[CallEvent]:
        """What has just happened in a call, oldest first."""
        return (event for session, event in [*self._recent] if session == session_id)

    @property
    def troubles(self) -> Mapping[str, Trouble]:
        """The last failure of each tool, by its name."""
        return MappingProxyType(self._troubles)

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note (call.events.Observer)."""
        self._recent.append((call.session_id, event))
        match event:
            case CallBegan() | TurnEnded() | CallEnded():
                self.beats += 1
            case ToolFinished(outcome="failed" | "timeout") if len(self._troubles) < _MOST:
                result = event.result[:_LONGEST]
                now = datetime.now(UTC)
                trouble = Trouble(now, call.session_id, event.outcome, result)
                self._troubles[event.name] = trouble
            case _:
                pass
