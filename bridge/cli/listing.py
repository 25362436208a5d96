"""The list of calls as a table: a line each, or two where the screen is narrow."""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bridge.cli.words import ENDINGS, clock, local, wait
from bridge.local.plain import cut, plain
from bridge.store.database.tables import SLOW_MS
from bridge.store.shapes import CallSummary

_HEADS: Final = (
    *("started", "session", "agent", "caller", "length"),
    *("turns", "cut", "failed", "tools", "slowest", "ended"),
)
_NAMES: Final = slice(1, 4)
"""Columns that go on a second line where there is no room for them."""
_RIGHT: Final = frozenset({"length", "turns", "cut", "failed", "tools", "slowest"})
_TYPEABLE: Final = re.compile(r"(?!--)[\w.:@+=/-]{1,64}", re.ASCII)
"""A session may be called anything, `$(reboot)` and `--yes` included."""
_LONGEST_NUMBER: Final = 24
_GAP: Final = "  "

T = TypeVar("T")
Row = Sequence[Text]


def show_calls(console: Console, calls: Sequence[CallSummary], now: datetime) -> None:
    """Print the calls, in the order in which they come."""
    rows = [[Text(head, "bold") for head in _HEADS], *(_row(call, now) for call in calls)]
    widths = [max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)]
    if not _is_narrow(console, widths):
        for row in rows:
            _print(console, _line(row, widths, _HEADS))
        return
    for row in rows:
        _print(console, _line(_numbers(row), _numbers(widths), _numbers(_HEADS)))
        names = Text("  ") + _line(row[_NAMES], widths[_NAMES], _HEADS[_NAMES])
        for part in names.wrap(console, console.width):
            part.stylize("dim")
            _print(console, part)


def name_of(call: CallSummary) -> str:
    """What to type for a call: Millis's name of it, or ours where a shell would stumble."""
    return call.session_id if _TYPEABLE.fullmatch(call.session_id) else call.id


def _row(call: CallSummary, now: datetime) -> Row:
    end = call.ended_at or (now if call.state == "live" else None)
    return (
        Text(f"{local(call.started_at):%Y-%m-%d %H:%M}"),
        Text(plain(name_of(call)), "cyan"),
        Text(cut(plain(call.agent_id), _LONGEST_NUMBER)),
        Text(cut(plain(call.caller or ""), _LONGEST_NUMBER)),
        Text(clock((end - call.started_at).total_seconds()) if end else "?"),
        _number(call.turns, ""),
        _number(call.interrupted, "yellow"),
        _number(call.failed, "red"),
        _number(call.tools, ""),
        _slowest(call),
        _ended(call),
    )


def _number(number: int, style: str) -> Text:
    return Text(str(number), style) if number else Text("·", "dim")


def _slowest(call: CallSummary) -> Text:
    if not call.slowest_ms:
        return Text("·", "dim")
    return Text(wait(call.slowest_ms), "red" if call.slowest_ms >= SLOW_MS else "")


def _ended(call: CallSummary) -> Text:
    if call.state == "ended":
        ending = call.ending or "ended"
        return Text(plain(ENDINGS.get(ending, ending)))
    return Text(call.state, {"live": "bold green", "aborted": "red"}.get(call.state, "yellow"))


# ── columns ──────────────────────────────────────────────────────────────────────────────────────


def _is_narrow(console: Console, widths: Sequence[int]) -> bool:
    """Tell whether the columns need two lines; in a pipe there is all the room in the world."""
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return False
    return sum(widths) + len(_GAP) * (len(widths) - 1) > console.width


def _numbers(row: Sequence[T]) -> Sequence[T]:
    """All but the names."""
    return [*row[: _NAMES.start], *row[_NAMES.stop :]]


def _line(row: Row, widths: Sequence[int], columns: Sequence[str]) -> Text:
    line = Text()
    for cell, width, column in zip(row, widths, columns, strict=True):
        room = Text(" " * (width - cell_len(cell.plain)))
        line.append(_GAP if line.plain else "")
        line.append_text(room + cell if column in _RIGHT else cell + room)
    line.rstrip()
    return line


def _print(console: Console, line: Text) -> None:
    line.rstrip()
    console.print(line, soft_wrap=True)
