"""What somebody may trace of a call: stretches of work, one within another. Here nobody does."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

from bridge.call.events import (
    CallData,
    CallEnded,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnEnded,
)

onward: ContextVar[Mapping[str, str]] = ContextVar("onward", default=MappingProxyType({}))
"""Headers that tell another server which span the work in this task belongs to."""

Whole = CallEnded | TurnEnded | ModelAnswered | ToolFinished
"""What a span ends with if all of it came about."""


class Span(Protocol):
    """A stretch of a call's work. It ends once, and what comes later is ignored.

    Nothing here waits or raises, and nothing is told token by token.
    """

    def turn(self, call: CallData, number: int, asked: Callable[[], str]) -> "Span":
        """A reply begins; Millis may not have asked for it yet. `asked`: the caller's line."""

    def promoted(self) -> None:
        """Millis has asked for what was begun ahead."""

    def model(self, name: str) -> "Span":
        """A model is asked for a message."""

    def tool(self, begun: ToolBegun) -> "Span":
        """A tool begins that this message asked for."""

    def current(self) -> AbstractContextManager[None]:
        """Meanwhile, what is done in this task and in those begun in it belongs to this."""

    def end(self, call: CallData, event: Whole) -> None:
        """It is over."""

    def fail(self, kind: str) -> None:
        """It came to nothing; `kind` is one of a fixed set."""

    def drop(self) -> None:
        """Nobody wanted it any more."""


_NOTHING = nullcontext()


class _Untraced:
    """Spans where nobody traces."""

    def turn(self, call: CallData, number: int, asked: Callable[[], str]) -> Span:
        return self

    def promoted(self) -> None:
        """Forget it."""

    def model(self, name: str) -> Span:
        return self

    def tool(self, begun: ToolBegun) -> Span:
        return self

    def current(self) -> AbstractContextManager[None]:
        return _NOTHING

    def end(self, call: CallData, event: Whole) -> None:
        """Forget it."""

    def fail(self, kind: str) -> None:
        """Forget it."""

    def drop(self) -> None:
        """Forget it."""


UNTRACED: Span = _Untraced()

Tracer = Callable[[], Span]
"""Begins the span of a call."""
