"""`bridge calls erase`: shows what would go, asks, and erases it."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import typer
from rich.console import Console

from bridge.cli.listing import show_calls
from bridge.cli.record import fail, with_archive
from bridge.cli.words import count
from bridge.local.plain import cut, plain
from bridge.plugins.millis.aftercall import KIND
from bridge.settings import Settings
from bridge.store.aftercalls import call_off
from bridge.store.archive import Archive
from bridge.store.shapes import CallSummary, Filters

_SHOWN: Final = 5
_PAGE: Final = 500
_LONGEST_NAME: Final = 80


def erase(settings: Settings, session: str | None, caller: str | None, *, yes: bool) -> int:
    """Erase the calls of a session or from a number; 1 if there are none."""
    of = f"of {_shown(session)}" if session is not None else f"from {_shown(caller)}"
    if not yes:
        first, number, live = with_archive(
            settings, lambda archive: _find(archive, session, caller)
        )
        if not number:
            fail(f"no call {of} on record", 1)
        if not _agreed(first, number, live):
            fail("nothing is erased", 1)

    async def go(archive: Archive) -> int:
        if session is not None:
            return await archive.erase_session(session)
        return await archive.erase_caller(caller or "")

    erased = with_archive(settings, go)
    off = _call_off(settings, session, caller)
    if off:
        typer.echo(f"{count(off, 'function')} will not be run after the call.")
    if not erased:
        fail(f"no call {of} on record", 1)
    typer.echo(f"{count(erased, 'call')} erased.")
    return 0


def _call_off(settings: Settings, session: str | None, caller: str | None) -> int:
    """Drop what functions have noted in these calls, as far as it waits on this machine."""
    key, name = ("caller", caller) if session is None else ("session_id", session)
    try:
        return call_off(settings.spool_dir / "deliveries", KIND, lambda call: call[key] == name)
    except OSError as error:
        fail(f"cannot read the spool folder {settings.spool_dir} ({error.strerror or error})", 2)


async def _find(
    archive: Archive, session: str | None, caller: str | None
) -> tuple[Sequence[CallSummary], int, int]:
    """The first calls that would go, how many there are, and how many are going on."""
    if session is not None:
        calls = await archive.call(session)
        return calls[:_SHOWN], len(calls), sum(call.state == "live" for call in calls)
    first: Sequence[CallSummary] = ()
    number, live, after = 0, 0, None
    while True:
        page = await archive.calls(Filters(caller=caller), limit=_PAGE, after=after)
        first = first or page.calls[:_SHOWN]
        number += len(page.calls)
        live += sum(call.state == "live" for call in page.calls)
        if (after := page.next) is None:
            return first, number, live


def _agreed(first: Sequence[CallSummary], number: int, live: int) -> bool:
    """Show what would go, and ask; who says nothing says no."""
    console = Console(highlight=False, stderr=True)
    show_calls(console, first, datetime.now(UTC))
    if number > len(first):
        console.print(f"… and {number - len(first):,} more", style="dim")
    if live:
        them = "is going on: nothing more of it" if live == 1 else "are going on: no more of them"
        console.print(f"{live:,} of them {them} is kept.", style="yellow")
    sys.stderr.write(f"Erase {count(number, 'call')} for good? [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() in {"y", "yes"}


def _shown(name: str | None) -> str:
    return repr(cut(plain(name or ""), _LONGEST_NAME))
