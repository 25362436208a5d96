"""`bridge replay`: a caller on record against today's bridge, and what differs."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console

from bridge.cli import machine
from bridge.cli.record import fail, with_archive
from bridge.cli.rehearser import Manner, Rehearser
from bridge.cli.replay_page import show
from bridge.local.dialing import CallRefused
from bridge.local.plain import cut, plain
from bridge.local.replay_script import Script, script_of
from bridge.logs import configure_logs
from bridge.settings import Settings
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallDetail

_LONGEST_NAME: Final = 80


def replay(settings: Settings, name: str, manner: Manner, *, as_json: bool) -> int:
    """Replay a call and print what differs; 1 if anything does, 2 if it cannot be replayed."""
    calls, earlier = _read(settings, name)
    scripts = _scripts(calls)
    configure_logs(
        "debug" if settings.log_level == "debug" else "error",
        settings.log_format,
        settings.secrets,
        private=settings.log_private,
    )
    rehearser = Rehearser(settings, calls, scripts, manner, earlier)
    try:
        with contextlib.redirect_stdout(sys.stderr), _progress(rehearser):  # tools may print
            report = asyncio.run(rehearser.report())
    except CallRefused as error:
        fail(f"the call cannot be replayed: {error}", 2)
    if as_json:
        machine.show(report)
    else:
        show(Console(highlight=False), report)
    return 1 if report.differs else 0


def _read(settings: Settings, name: str) -> tuple[list[CallDetail], list[CallDetail]]:
    """Read a call, and the earlier one that it went on from."""

    async def look(archive: Archive) -> tuple[list[CallDetail], list[CallDetail]]:
        calls = await archive.call(name, frames=True)
        earlier = next((call.continues for call in calls if call.continues), None)
        return calls, await archive.call(earlier) if earlier else []

    try:
        calls, earlier = with_archive(settings, look)
    except SystemExit:
        raise SystemExit(2) from None  # 1 would mean that something differs
    shown = repr(cut(plain(name), _LONGEST_NAME))
    if not calls:
        fail(f"no call {shown} on record: `bridge calls` lists them", 2)
    if not any(call.timeline for call in calls):
        fail(f"nothing was said in call {shown}, so there is nothing to replay", 2)
    before = [e for e in earlier if e.agent_id == calls[0].agent_id and e.level != "metadata"]
    return calls, before


def _scripts(calls: Sequence[CallDetail]) -> list[Script]:
    try:
        return [script_of(call) for call in calls]
    except ValueError as error:
        fail(str(error), 2)


@contextlib.contextmanager
def _progress(rehearser: Rehearser) -> Iterator[None]:
    """Show how far it has come, where somebody waits for it."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield
        return
    done = 0
    with console.status("replaying") as status:

        def tell() -> None:
            nonlocal done
            done += 1
            status.update(f"replaying: request {done}")

        rehearser.tell = tell
        yield
