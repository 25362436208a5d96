"""Running the real commands, in a folder of the test's own, piped or in a pseudo-terminal."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli import warm

PATIENCE = 50.0
"""Seconds a command may take: other processes may be busy."""

CLOCK = '''
from langchain.tools import tool


@tool
def current_time(city: str = "Paris") -> str:
    """Tell the time of day.

    And more that is not shown.
    """
    return f"It is 12:03 in {city}."
'''


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int | None
    out: str
    err: str

    @property
    def words(self) -> str:
        """The output without its line breaks."""
        return " ".join(self.out.split())


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BRIDGE_", "OPENAI_"))}
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "PYTHONDEVMODE"):
        kept.pop(name, None)
    return {**kept, "TERM": "xterm-256color", **variables}


async def bridge(*args: str, cwd: Path, stdin: str = "", **variables: str) -> Ran:
    """Run `bridge` to its end, in a process that has imported most things already."""
    assert not any(name.startswith("PYTHON") for name in variables), "that needs bridge_anew"
    async with asyncio.timeout(PATIENCE):
        return Ran(*await warm.ran(args, cwd, environment(**variables), stdin=stdin.encode()))


async def bridge_anew(*args: str, cwd: Path, **variables: str) -> Ran:
    """Run `bridge` to its end, in an interpreter that begins with nothing."""
    return await _ended("-m", "bridge.cli", *args, cwd=cwd, **variables)


async def _ended(*args: str, cwd: Path, **variables: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *args),
        cwd=cwd,
        env=environment(**variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    return Ran(process.returncode, out.decode(), err.decode())


EACH = """
import json, sys
from bridge.cli import main

for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        print("exit code", end.code, flush=True)
"""


async def bridge_each(*commands: Sequence[str], cwd: Path, then: str = "", **variables: str) -> Ran:
    """Run several commands in one process: importing takes longer than most of them.

    After each, its exit code is printed. `then` is code that is run at the end.
    """
    return await _ended("-c", EACH + then, json.dumps(commands), cwd=cwd, **variables)


class Terminal:
    """A command in a pseudo-terminal, seen by the person before it."""

    def __init__(self, master: int, slave: int, process: asyncio.subprocess.Process) -> None:
        self.slave = slave
        self.process = process
        self.seen = ""
        """All that was shown."""
        self._master = master
        self._read = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._see)

    def _see(self) -> None:
        self.seen += os.read(self._master, 65536).decode(errors="replace")
        self._news.set()

    async def until(self, text: str) -> None:
        """Wait until something is shown, after what was waited for before."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (position := self.seen.find(text, self._read)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} was never shown in {self.seen!r}") from None
        self._read = position + len(text)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def code(self) -> int | None:
        """Wait for the end of the command."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def in_terminal(*args: str, cwd: Path, **variables: str) -> AsyncIterator[Terminal]:
    """Run `bridge` in a pseudo-terminal of 80 columns."""
    master, slave = os.openpty()
    loop = asyncio.get_running_loop()
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    code = "import os, sys; os.setsid(); os.login_tty(0); os.execv(sys.executable, sys.argv[1:])"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, sys.executable, "-m", "bridge.cli", *args),
        cwd=cwd,
        env=environment(COLUMNS="80", **variables),
        **streams,
    )
    try:
        yield Terminal(master, slave, process)
    finally:
        loop.remove_reader(master)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(master)
        os.close(slave)
