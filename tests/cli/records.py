"""Commands that read the record, run in this process, and what they read."""

import asyncio
import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge import cli
from bridge.store.database.database import Database
from bridge.store.notes.frames import pack
from bridge.store.notes.note import Head, Note
from tests import loggers
from tests.cli.commands import Ran
from tests.store.scenes import seed, some_frames

HOSTILE = "\x1b[31m[red]\u202e\x9b5m\u2066\x07evil[/red]"
"""What a terminal must not be given: colours, markup, an order of its own, a bell."""
UNFIT = ("\x1b", "\x9b", "\x07", "\u202e", "\u2066")


def now_ms() -> int:
    """What the clock says, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def at(moment: str) -> int:
    """A moment in the time of this machine, in milliseconds since 1970."""
    return round(time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M")) * 1000)


def keep(url: str, *calls: Sequence[Note], living: str = "") -> None:
    """Put calls on record; those of the process `living` are going on."""

    async def go() -> None:
        database = Database(url)
        await seed(database, *map(list, calls))
        if living:
            await database.seen(living)
        await database.close()

    asyncio.run(go())


def a_wire(head: Head, *messages: tuple[int, str, dict[str, Any]], seq: int = 90) -> Note:
    """Messages as they passed by: when, `i`nto the bridge or `o`ut of it, and what."""
    return some_frames(head, pack([[way, at_ms, message] for at_ms, way, message in messages]), seq)


def words(content: str) -> dict[str, Any]:
    """A message with words to say."""
    return {"type": "stream_response", "data": {"stream_id": 0, "content": content}}


def file_of(url: str) -> Path:
    """The file of a SQLite record."""
    return Path(url.partition(":///")[2])


def bridge_inside(url: str, *args: str, stdin: str = "", **variables: str) -> Ran:
    """Run a command of `bridge` in this process, in the folder of nobody's settings."""
    out, err = _stream(), _stream()
    code: object = 0
    logs = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        for name in [name for name in os.environ if name.startswith("BRIDGE_")]:
            patch.delenv(name)
        for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
            patch.delenv(name, raising=False)
        for name, value in {"BRIDGE_DATABASE_URL": url, **variables}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["bridge", *args])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    structlog.configure(**logs)  # the command had its own
    loggers.forget()
    assert isinstance(code, int)
    return Ran(code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
