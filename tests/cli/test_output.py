"""Where the output goes: a full disk, and a reader who has had enough."""

import asyncio
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.cli import warm
from tests.cli.commands import environment
from tests.cli.records import keep
from tests.store.scenes import a_call, a_head, a_turn

COMMANDS = ["calls", "calls --json", "calls show s", "calls show s --json", "calls export"]


@pytest.fixture(params=[10, 100_000], ids=["short", "long"])
def a_record(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """One call: of few words, which are written at the end, or of many."""
    head = a_head("c1", session_id="s")
    keep(
        sqlite_url,
        [*a_call("c1", session_id="s"), a_turn(head, 0, 90, said="x" * request.param)],
    )
    return sqlite_url


async def ended(cwd: Path, url: str, command: str, output: int) -> tuple[int | None, str]:
    """Run a command to its end; its exit code, and what it complained of.

    The first one has an interpreter of its own, which has its own way of ending.
    """
    settings = environment(BRIDGE_DATABASE_URL=url)
    if command != COMMANDS[0]:
        with Connection(output, readable=False) as stdout:
            code, _, complaint = await warm.ran(command.split(), cwd, settings, stdout=stdout)
        return code, complaint
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.cli", *command.split()),
        cwd=cwd,
        env=settings,
        stdout=output,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(output)
    _, told = await process.communicate()
    return process.returncode, told.decode()


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_full_disk_is_one_line(a_record: str, tmp_path: Path, command: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    assert await ended(tmp_path, a_record, command, full) == (
        2,
        "bridge: cannot write the output: No space left on device\n",
    )


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_reader_who_has_gone_hears_nothing(
    a_record: str, tmp_path: Path, command: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    assert await ended(tmp_path, a_record, command, writing) == (1, "")
