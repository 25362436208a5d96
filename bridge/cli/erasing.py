"""`bridge calls erase`: shows what would go, asks, and erases it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from bridge.store.deliveries.aftercalls import call_off
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallSummary, Filters
from bridge.store.spool.refused import Refused
from bridge.store.spool.unsaved import of_caller, of_session, unsaved

_SHOWN: Final = 5
_PAGE: Final = 500
_LONGEST_NAME: Final = 80


def erase(settings: Settings, session: str | None, caller: str | None, *, yes: bool) -> int:
    """Erase the calls of a session or from a number; 1 if there are none."""
    waiting = _waiting(settings, session, caller)
    of = f"of {_shown(session)}" if session is not None else f"from {_shown(caller)}"
    if not yes:
        found = with_archive(settings, lambda archive: _find(archive, session, caller))
        if not found.ids | waiting:
            fail(f"no call {of} on record", 1)
        if not _agreed(found, len(waiting - found.ids)):
            fail("nothing is erased", 1)
    refused = Refused(settings.spool_dir, limit=0)  # nothing is added

    async def go(archive: Archive) -> int:
        if session is not None:
            number = await archive.erase_session(session, waiting)
        else:
            number = await archive.erase_caller(caller or "", waiting)
        refused.erase(await archive.erased(refused.calls()))
        return number

    try:
        erased = with_archive(settings, go)
    except OSError as error:
        fail(f"erased, but not yet from {refused.path}: {error.strerror}", 2)
    off = _call_off(settings, session, caller)
    if off:
        typer.echo(f"{count(off, 'function')} will not be run after the call.")
    if not erased:
        fail(f"no call {of} on record", 1)
    typer.echo(f"{count(erased, 'call')} erased.")
    return 0


def _waiting(settings: Settings, session: str | None, caller: str | None) -> set[str]:
    """Find the calls of which notes are still to come to the database, from this machine."""
    which = of_session(session) if session is not None else of_caller(caller or "")
    try:
        return unsaved(settings.spool_dir, which)
    except OSError as error:
        fail(f"cannot look for calls in {settings.spool_dir}: {error.strerror}", 2)


def _call_off(settings: Settings, session: str | None, caller: str | None) -> int:
    """Drop what functions have noted in these calls, as far as it waits on this machine."""
    key, name = ("caller", caller) if session is None else ("session_id", session)
    try:
        return call_off(settings.spool_dir / "deliveries", KIND, lambda call: call[key] == name)
    except OSError as error:
        fail(f"cannot read the spool folder {settings.spool_dir} ({error.strerror or error})", 2)


@dataclass
class _Found:
    """The calls on record that would go."""

    first: list[CallSummary] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    live: int = 0
    """How many are going on."""

    def add(self, calls: Sequence[CallSummary]) -> None:
        self.first += calls[: _SHOWN - len(self.first)]
        self.ids.update(call.id for call in calls)
        self.live += sum(call.state == "live" for call in calls)


async def _find(archive: Archive, session: str | None, caller: str | None) -> _Found:
    found = _Found()
    if session is not None:
        found.add(await archive.call(session))
        return found
    after = None
    while True:
        page = await archive.calls(Filters(caller=caller), limit=_PAGE, after=after)
        found.add(page.calls)
        if (after := page.next) is None:
            return found


def _agreed(found: _Found, waiting: int) -> bool:
    """Show what would go, and ask; who says nothing says no."""
    console = Console(highlight=False, stderr=True)
    number, live = len(found.ids), found.live
    if found.first:
        show_calls(console, found.first, datetime.now(UTC))
    if number > len(found.first):
        console.print(f"… and {number - len(found.first):,} more", style="dim")
    if live:
        them = "is going on: nothing more of it" if live == 1 else "are going on: no more of them"
        console.print(f"{live:,} of them {them} is kept.", style="yellow")
    if waiting:
        console.print(f"{count(waiting, 'call')} not in the database yet", style="yellow")
    sys.stderr.write(f"Erase {count(number + waiting, 'call')} for good? [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() in {"y", "yes"}


def _shown(name: str | None) -> str:
    return repr(cut(plain(name or ""), _LONGEST_NAME))
