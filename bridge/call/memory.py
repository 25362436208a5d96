"""What a call remembers of an earlier one: its last exchanges, within a budget of tokens. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.call.history import tokens
from bridge.protocol import Utterance

_LONGEST: Final = 600
"""Characters of one text that are quoted, if the budget is large enough."""
_SHORTEST: Final = 25
_MOST_DEEDS: Final = 8
"""Tools of one exchange: the last ones."""

# What could end the fence around data, or look as if it did: angle brackets and their likes, line
# breaks that JSON lets pass, and characters that are not seen or turn the direction of writing.
_UNSAFE = re.compile(
    "[<>\uff1c\uff1e\ufe64\ufe65\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Deed:
    """One use of a tool in an earlier call."""

    name: str
    arguments: Mapping[str, Any] | str
    """As an object, or what is left of its JSON."""
    result: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the caller said, what was done, and what the caller heard."""

    caller: str
    deeds: tuple[Deed, ...]
    answer: str
    note: str = ""
    """How the answer was cut, or failed; empty if it was not."""


@dataclass(frozen=True, slots=True)
class Past:
    """The end of an earlier call."""

    session_id: str
    began: datetime
    exchanges: tuple[Exchange, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the model reads of an earlier call, the same in all turns of this one."""

    session_id: str
    text: str
    """One line of JSON, safe to be fenced as data."""


def memory_of(past: Past, budget: int, now: datetime) -> Memory | None:
    """Write down the newest exchanges within `budget` tokens, whole ones only, oldest first.

    None if there is nothing to remember. `now` is when this call began.
    """
    when = _quoted(_when(past.began, now))
    longest = min(_LONGEST, budget // 2)
    room = budget - _size(when) - 4  # what holds it together
    lines: list[str] = []
    for exchange in reversed(past.exchanges):
        line = _fitting(exchange, longest, room, shorten=not lines)
        if not line:
            break
        room -= _size(line)
        lines.append(line)
    if not lines:
        return None
    exchanges = ", ".join(reversed(lines))
    return Memory(past.session_id, f'{{"when": {when}, "exchanges": [{exchanges}]}}')


def safe_json(text: str) -> str:
    """JSON that nothing inside can pass for the end of the fence that it stands in."""
    # Inside JSON these characters stand only in strings, where the escape means the same.
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _fitting(exchange: Exchange, longest: int, room: int, *, shorten: bool) -> str:
    """The exchange as JSON if there is room for it; the newest is shortened until there is."""
    while True:
        line = _quoted(_written(exchange, longest))
        if _size(line) <= room:
            return line
        if not shorten or longest <= _SHORTEST:
            return ""
        longest = max(_SHORTEST, longest // 2)


def _written(exchange: Exchange, longest: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "caller": _short(exchange.caller, longest),
        "tools": [_deed(deed, longest) for deed in exchange.deeds[-_MOST_DEEDS:]],
        "you": _short(exchange.answer, longest),
        "note": exchange.note,
    }
    return {name: value for name, value in found.items() if value}


def _deed(deed: Deed, longest: int) -> dict[str, Any]:
    arguments = deed.arguments
    if not isinstance(arguments, str) and len(written := _quoted(arguments)) > longest // 2:
        arguments = written
    if isinstance(arguments, str):
        arguments = _short(arguments, longest // 2)
    return {
        "name": _short(deed.name, 64),
        "arguments": arguments,
        "result": _short(deed.result, longest),
        "outcome": deed.outcome,
    }


def _short(text: str, longest: int) -> str:
    text = " ".join(text[: 4 * longest].split())
    return text if len(text) <= longest else f"{text[:longest]}…"


def _quoted(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return safe_json(text)


def _size(text: str) -> int:
    return tokens(Utterance("user", text))


def _when(began: datetime, now: datetime) -> str:
    """When it was, so that it stays true for as long as this call lasts."""
    began, now = began.astimezone(), now.astimezone()
    days = (now.date() - began.date()).days
    minutes = int((now - began).total_seconds() // 60)
    if minutes < 60:
        ago = f"{minutes} minutes before this call" if minutes > 1 else "just before this call"
    elif days == 0:
        ago = "earlier on the day of this call"
    elif days == 1:
        ago = "the day before this call"
    else:
        ago = f"{days} days before this call"
    return f"{began:%A %Y-%m-%d %H:%M}, {ago}"
