"""A process that is killed loses no turn whose end was sent: the next one finds it in the spool."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bridge.store import Recorder, RecordSetup
from bridge.store.database.database import Database
from bridge.store.shapes import CallDetail
from tests.store.spooling import until

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("BRIDGE_TEST_KILLS", "1"))
"""How often a process is killed at random; many more in a soak."""


class Mortal:
    """A process that records calls, and what it said was on the disk."""

    def __init__(self, process: asyncio.subprocess.Process, replica: str) -> None:
        self._process = process
        self.replica = replica
        self.turns: dict[str, set[int]] = {}

    async def speak(self, turns: int) -> None:
        """Let it go on until it has told of so many turns, or is dead."""
        assert self._process.stdout is not None
        while turns and (line := await self._process.stdout.readline()).endswith(b"\n"):
            call, number = line.decode().split()
            self.turns.setdefault(call, set()).add(int(number))
            turns -= 1

    async def kill(self) -> None:
        """Kill it, and hear what it had still said."""
        if self._process.returncode is None:
            self._process.kill()
        await self.die()

    async def die(self) -> None:
        """Wait for its death."""
        await self.speak(-1)
        assert await self._process.wait() == -signal.SIGKILL


@asynccontextmanager
async def mortal(setup: RecordSetup, death: str = "at random") -> AsyncIterator[Mortal]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.store.mortal", setup.url, str(setup.spool_dir), death),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield Mortal(process, (await process.stdout.readline()).decode().strip())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def inherit(setup: RecordSetup, dead: Mortal) -> list[CallDetail]:
    """Start anew, and look at the calls that the dead process had."""
    named: list[str] = []
    recorder = Recorder(setup)
    recorder.on_ended = named.extend
    async with recorder:
        folder = setup.spool_dir / dead.replica
        await until(lambda: not folder.exists())
        found = [call for name in dead.turns for call in await recorder.archive.call(name)]
    assert len(found) == len(dead.turns)
    assert {call.id for call in found if call.state == "aborted"} <= set(named)
    return found


def assert_nothing_is_lost(dead: Mortal, found: list[CallDetail]) -> None:
    for call in found:
        numbers = {turn.number for turn in call.timeline}
        assert dead.turns[call.id] <= numbers
        assert len(numbers) == len(call.timeline)
        for turn in call.timeline:
            assert turn.said == f"turn {turn.number} " * 40


def assert_the_file_is_whole(url: str) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        assert parsed.database is not None
        with sqlite3.connect(parsed.database) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        file.close()


@pytest.fixture
def setup(url: str, tmp_path: Path) -> RecordSetup:
    return RecordSetup(url, "full", tmp_path / "spool", 1 << 26, 0)


@pytest.mark.parametrize("seed", range(KILLS))
async def test_a_process_that_is_killed_at_random_loses_nothing(
    setup: RecordSetup, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secret
    async with mortal(setup) as process:
        await process.speak(dice.randrange(1, 150))
        await asyncio.sleep(dice.random() / 4)
        await process.kill()

    found = await inherit(setup, process)

    assert_nothing_is_lost(process, found)
    assert {call.state for call in found} == {"aborted"}
    assert list(setup.spool_dir.iterdir()) == []
    assert_the_file_is_whole(setup.url)


async def test_a_kill_between_commit_and_clearing_the_spool_repeats_and_changes_nothing(
    setup: RecordSetup,
) -> None:
    async with mortal(setup, "between commit and clearing the spool") as process:
        await process.die()
    left = setup.spool_dir / process.replica / "000001.jsonl"
    assert b'"ended_at":5000' in left.read_bytes()

    found = await inherit(setup, process)

    assert_nothing_is_lost(process, found)
    assert sorted(call.state for call in found) == ["aborted"] * 4 + ["ended"]
    assert_the_file_is_whole(setup.url)


async def test_a_kill_in_the_middle_of_saving_loses_nothing(setup: RecordSetup) -> None:
    async with mortal(setup) as process:
        await process.speak(20)
        database = Database(setup.url)
        async with database.writing() as connection:  # it waits for this, in its transaction
            if database.dialect == "postgresql":
                await connection.execute(text("LOCK TABLE frames IN ACCESS EXCLUSIVE MODE"))
            await process.speak(300)
            await process.kill()
        await database.close()

    found = await inherit(setup, process)

    assert_nothing_is_lost(process, found)
    assert {call.state for call in found} == {"aborted"}
    assert_the_file_is_whole(setup.url)


async def test_of_two_processes_on_one_folder_the_survivor_is_left_alone(
    setup: RecordSetup,
) -> None:
    async with mortal(setup) as dies, mortal(setup) as lives:
        await dies.speak(30)
        await lives.speak(30)
        await dies.kill()

        found = await inherit(setup, dies)

        assert_nothing_is_lost(dies, found)
        assert {call.state for call in found} == {"aborted"}
        assert [path.name for path in setup.spool_dir.iterdir()] == [lives.replica]
        await lives.speak(50)
        await lives.kill()

    found = await inherit(setup, lives)
    assert_nothing_is_lost(lives, found)
