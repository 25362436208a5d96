"""What log lines leave out: phone numbers, and what exceptions say, which may quote a caller."""

import re
import traceback
from collections.abc import Iterator
from typing import Any, Final, TextIO

from structlog.typing import EventDict, ExcInfo, WrappedLogger

_DIALLED: Final = re.compile(r"\+\d[\d ().-]{5,18}\d")
"""A number as it is written for abroad; wherever it stands."""
_DIGITS: Final = re.compile(r"(?<![\w.+-])\d{10,15}(?![\w-])")
"""Digits that may be a number without its plus sign."""
_IDS: Final = frozenset({"event", "level", "timestamp", "session", "call", "delivery", "version"})
"""Values in which digits alone are none."""
_NUMBER: Final = "[number]"
_LONGEST_CHAIN: Final = 8
"""Exceptions that are told of those that led to one another."""


def without_numbers(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take phone numbers out of the values of an event (a processor of structlog's)."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _masked(name, value)
    return event


def without_quotes(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep the first line of what a library says: asyncio writes exceptions into the others."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def told(exc_info: ExcInfo) -> str:
    """An exception as where it was and of which kind, without its text."""
    return "\n".join(_told(exc_info[1]))


def print_told(to: TextIO, error: ExcInfo) -> None:
    """Write that, for people."""
    to.write(f"\n{told(error)}")


def _told(error: BaseException | None) -> Iterator[str]:
    for _ in range(_LONGEST_CHAIN):
        if error is None:
            return
        yield f"{type(error).__module__}.{type(error).__qualname__}, at"
        yield from (place.rstrip() for place in traceback.format_tb(error.__traceback__))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is not None:
            yield "after"


def _masked(name: str, value: str) -> Any:
    value = _DIALLED.sub(_NUMBER, value)
    return value if name in _IDS else _DIGITS.sub(_NUMBER, value)
