"""Whose a line of the log is: the call, and the turn, that this task works for."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from structlog.typing import EventDict

whose: ContextVar[Mapping[str, Any]] = ContextVar("whose", default=MappingProxyType({}))
"""What the lines of this task, and of those it starts, say beside their own.

One variable: a turn sets it before the model is asked, and each of structlog's takes as long.
"""


def say_whose(_: Any, __: str, event: EventDict) -> EventDict:
    """A processor of structlog's."""
    return {**whose.get(), **event}
