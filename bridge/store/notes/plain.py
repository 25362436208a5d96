"""Making anything fit for JSON, for SQLite and for PostgreSQL, and bounded. Pure; never raises."""

import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, cast

MAX_OBJECT: Final = 1 << 16
"""Characters of an object, about; what is beyond is cut, and says so."""
MAX_TEXT: Final = 1 << 16
"""Characters of a text; 16 hours of talk have fewer in one line."""
CUT: Final = "… (cut)"
"""Stands where something was cut."""

_MAX_DEPTH = 32
"""Objects and lists inside each other."""
_MAX_NAME = 256
_MAX_ITEMS = 2_000
"""Values in an object: walking over them takes about a millisecond."""
_MAX_BITS = 256
"""Of a whole number that is written out."""
_INT64 = range(-(1 << 63), 1 << 63)
_INT32 = (1 << 31) - 1


def text(value: str, limit: int = MAX_TEXT) -> str:
    """The text without NUL and lone surrogates, cut to so many characters."""
    if len(value) > limit:
        value = value[:limit] + CUT
    if "\0" not in value and (value.isascii() or _is_utf8(value)):
        return value
    # A pair of surrogates becomes the character that it stands for.
    units = value.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def text_or_none(value: str | None) -> str | None:
    """The same of what may be missing."""
    return None if value is None else text(value)


def milliseconds(seconds: float) -> int:
    """Whole milliseconds that fit a column."""
    ms = seconds * 1000
    if 0 <= ms <= _INT32:
        return round(ms)
    return _INT32 if ms > 0 else 0


def milliseconds_or_none(seconds: float | None) -> int | None:
    """The same of what may be missing."""
    return None if seconds is None else milliseconds(seconds)


def count_or_none(number: int | None) -> int | None:
    """A count that fits a column; what a model's server says of tokens may be anything."""
    return None if number is None else max(0, min(number, _INT32))


def plain_object(value: Mapping[str, Any], limit: int = MAX_OBJECT) -> dict[str, Any]:
    """A copy of an object that is plain all through, of about so many characters.

    It is walked over, which takes some microseconds. orjson would be quicker to say that all is
    well, but it writes out whole a value that holds another many times over.
    """
    try:
        return _Copy(limit).mapping(value, 1)
    except Exception:  # noqa: BLE001 - a foreign mapping may raise anything
        return {CUT: "unreadable"}


def name_in(value: Mapping[str, Any], key: str) -> str | None:
    """A text or a whole number of an object as a name, if it is there."""
    try:
        found = value.get(key)
    except Exception:  # noqa: BLE001 - a foreign mapping may raise anything
        return None
    if isinstance(found, str):
        return text(str.__str__(found)[:_MAX_NAME])
    if isinstance(found, int) and not isinstance(found, bool):
        return str(_number(int(found)))
    return None


class _Copy:
    """One copying: how much room is left."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._items = _MAX_ITEMS

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in list(islice(value.items(), self._items + 1)):
            if self._is_full():
                copy[CUT] = f"{len(value) - len(copy)} more"
                break
            name = self._any(key, depth)
            copy[name if type(name) is str else str(name)] = self._any(item, depth)
        return copy

    def _sequence(self, value: Iterable[Any], depth: int) -> list[Any]:
        copy: list[Any] = []
        for item in value:
            if self._is_full():
                copy.append(CUT)
                break
            copy.append(self._any(item, depth))
        return copy

    def _is_full(self) -> bool:
        self._items -= 1
        return self._room <= 0 or self._items < 0

    def _any(self, value: object, depth: int) -> Any:
        kind = type(value)  # asking for abstract classes costs more than all the rest
        if kind is str:
            plain = text(cast("str", value), max(self._room, 0))
            self._room -= len(plain)
            return plain
        self._room -= 8
        if value is None or kind is bool or (kind is int and cast("int", value) in _INT64):
            return value
        return self._seldom(value, depth)

    def _seldom(self, value: object, depth: int) -> Any:
        match value:
            case int():
                return _number(int(value))
            case float():
                return float(value) if math.isfinite(value) else str(float(value))
            case str():
                return self._any(str.__str__(value), depth)
            case dict() | list() | tuple() | set() | frozenset() | Mapping():
                return CUT if depth >= _MAX_DEPTH else self._nested(value, depth + 1)
            case _:
                return f"<{type(value).__name__}>"

    def _nested(self, value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        return self._sequence(value, depth)


def _number(value: int) -> int | str:
    if value in _INT64:
        return value
    bits = value.bit_length()
    return str(value) if bits <= _MAX_BITS else f"<number of {bits} bits>"


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
