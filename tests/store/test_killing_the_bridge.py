"""A bridge that is killed at any moment has every turn on record whose end the caller saw (F4)."""

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Served, Wire, came_true, dialled, served

KILLS = int(os.environ.get("BRIDGE_TEST_KILLS", "1"))
"""Kills of each kind of database; `make soak` does more."""
CALLERS = 4

Seen = dict[tuple[str, str], str]
"""What was said in each turn whose end was seen, by session and stream."""


async def _talk(millis: Wire, session: str, seen: Seen) -> None:
    """Ask on and on, until the line is dead."""
    await millis.start(0, session)
    seen[session, "0"] = await millis.answer(0)
    said = [seen[session, "0"]]
    for stream in range(1, 10_000):
        said.append(f"question {stream} of {session}")
        answer = await millis.asked(stream, *said)
        seen[session, str(stream)] = answer
        said.append(answer)


async def _call(bridge: Served, session: str, seen: Seen) -> None:
    async with dialled(bridge) as millis:
        with contextlib.suppress(ConnectionError):
            await _talk(millis, session, seen)


async def _kill_while_talking(bridge: Served, round_: int, seen: Seen) -> None:
    async with asyncio.TaskGroup() as calls:
        for number in range(CALLERS):
            calls.create_task(_call(bridge, f"r{round_}-{number}", seen))
        talking = {(f"r{round_}-{number}", "1") for number in range(CALLERS)}
        await came_true(lambda: talking <= seen.keys())
        await asyncio.sleep(random.uniform(0, 0.5))  # noqa: S311 - no secret
        bridge.process.send_signal(signal.SIGKILL)
        await bridge.process.wait()


async def _missing(url: str, seen: Seen) -> list[tuple[str, str]]:
    database = Database(url)
    await database.open()
    try:
        archive = Archive(database)
        kept: Seen = {}
        for session in {session for session, _ in seen}:
            (call,) = await archive.call(session)
            assert (call.state, call.ending) == ("aborted", "aborted")
            assert call.ended_at is not None
            kept |= {(session, turn.stream_id): turn.said or "" for turn in call.timeline}
        if database.dialect == "sqlite":
            async with database.reading() as connection:
                check = await connection.execute(text("PRAGMA integrity_check"))
                assert check.scalar() == "ok"
    finally:
        await database.close()
    return [key for key, said in seen.items() if kept.get(key) != said]


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_every_turn_whose_end_was_seen_survives_a_kill(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    seen: Seen = {}
    variables = {
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_DATABASE_URL": url,
        "BRIDGE_LOG_LEVEL": "error",
    }
    for round_ in range(KILLS):
        async with served(tmp_path, **variables) as bridge:
            await _kill_while_talking(bridge, round_, seen)
    async with served(tmp_path, **variables) as bridge:  # takes in what the dead ones left
        spool = tmp_path / "calls.spool"
        await came_true(lambda: len([*spool.glob("*/")]) == 1)
        assert (await bridge.stop())[0] == 0
    assert len(seen) >= KILLS * CALLERS * 2
    assert await _missing(url, seen) == []
    assert not any((tmp_path / "calls.spool").glob("*"))
