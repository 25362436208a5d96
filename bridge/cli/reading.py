"""`bridge calls list` and `bridge calls show`."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import typer
from rich.console import Console
from rich.text import Text

from bridge.cli import machine
from bridge.cli.listing import show_calls
from bridge.cli.record import HOW_TO_BEGIN, fail, with_archive
from bridge.cli.timeline import Timeline
from bridge.local.page import say
from bridge.local.plain import cut, plain
from bridge.settings import Settings
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallDetail, CallPage, Filters

_LONGEST_NAME: Final = 80


def list_calls(
    settings: Settings, filters: Filters, *, limit: int, after: str | None, as_json: bool
) -> int:
    """Print the newest calls that the filters let through."""

    async def look(archive: Archive) -> CallPage:
        return await archive.calls(filters, limit=limit, after=after)

    try:
        page = with_archive(settings, look)
    except ValueError:
        if after is None:
            raise
        message = "no place in a list; take it from the end of one"
        raise typer.BadParameter(message, param_hint="--after") from None
    if as_json:
        machine.show(page)
        return 0
    console = Console(highlight=False)
    if page.calls:
        show_calls(console, page.calls, datetime.now(UTC))
    else:
        say(console, "", _nothing(filters, after))
    if page.next is not None:
        command = ["bridge", "calls", *_typed(filters), "--limit", str(limit), "--after", page.next]
        say(console, "", "")
        console.print(Text(f"more: {plain(shlex.join(command))}", "dim"), soft_wrap=True)
    return 0


def show(settings: Settings, name: str, *, frames: bool, as_json: bool) -> int:
    """Print every connection of a call; 1 if there is none."""

    async def look(archive: Archive) -> list[CallDetail]:
        return await archive.call(name, frames=frames)

    calls = with_archive(settings, look)
    if not calls:
        fail(f"no call {cut(plain(name), _LONGEST_NAME)!r} on record: `bridge calls` lists them", 1)
    if as_json:
        machine.show_all(calls)
        return 0
    timeline = Timeline(Console(highlight=False))
    for number, call in enumerate(calls, 1):
        timeline.call(call, number, len(calls), frames=frames)
    return 0


def _nothing(filters: Filters, after: str | None) -> str:
    if after is not None:
        return "No more calls."
    if filters != Filters():
        return "No call on record is like that: `bridge calls` lists all of them."
    return f"No calls yet: {HOW_TO_BEGIN}."


def _typed(filters: Filters) -> Iterator[str]:
    """Write filters as they are typed."""
    for option in ("agent", "caller", "session"):
        if (value := getattr(filters, option)) is not None:
            yield from (f"--{option}", value)
    for option in ("since", "until"):
        if (moment := getattr(filters, option)) is not None:
            yield from (f"--{option}", moment.isoformat(timespec="seconds"))
    for option in ("interrupted", "failed"):
        if getattr(filters, option):
            yield f"--{option}"
    if filters.slow_ms is not None:
        yield from ("--slow", str(filters.slow_ms))
