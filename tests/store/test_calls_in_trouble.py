"""Calls go on, and are on record in the end, whatever the database does meanwhile."""

import asyncio
import itertools
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.app import Bridge
from bridge.errors import SettingsError
from bridge.store.shapes import Filters
from tests.cli.commands import bridge as run_bridge
from tests.fake_openai.client import FakeOpenAI
from tests.store.calls import recorder_of, recording
from tests.store.postgres import OwnPostgres, cut_backends, outside
from tests.wire import Wire, dialled, health, health_when

GREETING = "Hello, how can I help you?"
_numbers = itertools.count(1)


async def talk(bridge: Bridge, turns: int = 2) -> dict[str, list[str]]:
    """Make a call; what was said in it, by its session."""
    session = f"call-{next(_numbers)}"
    async with dialled(bridge) as millis:
        return {session: await _talk(millis, session, turns)}


async def _talk(millis: Wire, session: str, turns: int) -> list[str]:
    await millis.start(0, session)
    greeting = await millis.answer(0)
    lines = [f"Line {number} of {session}." for number in range(1, turns + 1)]
    return [greeting, *[await millis.asked(n, GREETING, line) for n, line in enumerate(lines, 1)]]


async def all_on_record(bridge: Bridge, expected: dict[str, list[str]]) -> None:
    """Wait until everything is in the database; each turn of each call once."""
    recorder = recorder_of(bridge)
    async with asyncio.timeout(30):
        await recorder.written()
    for session, said in expected.items():
        (call,) = await recorder.archive.call(session)
        assert [turn.said for turn in call.timeline] == said
    assert recorder.status()["lost"] == {}


# ── E1: away at the start ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("file", ["text", "folder"])
async def test_a_file_that_cannot_be_the_record_keeps_the_bridge_from_starting(  # E1, E7
    tmp_path: Path, openai: FakeOpenAI, file: str
) -> None:
    path = tmp_path / "calls.db"
    if file == "text":
        path.write_text("My shopping list: milk, eggs. " * 40)
    else:
        path.mkdir()
    ran = await run_bridge("serve", cwd=tmp_path, BRIDGE_PORT="0", BRIDGE_MODEL="demo")
    last = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert last.startswith("bridge: ")
    assert "calls.db" in last
    assert file == "folder" or path.read_text().startswith("My shopping list")


async def test_a_server_that_is_down_at_the_start_gets_the_calls_once_it_is_up(  # E1
    tmp_path: Path, openai: FakeOpenAI, own_postgres: OwnPostgres
) -> None:
    own_postgres.stop()
    async with recording(tmp_path, openai, own_postgres.url) as bridge:
        expected = await talk(bridge)
        body = await health_when(bridge, lambda body: body["record"]["waiting"])
        assert body["record"]["state"] == "away"
        assert body["status"] == "degraded"
        own_postgres.start()
        await all_on_record(bridge, expected)
        assert (await health(bridge))["record"]["state"] == "ok"


async def test_what_a_server_never_got_is_written_by_the_next_process(
    tmp_path: Path, openai: FakeOpenAI, own_postgres: OwnPostgres
) -> None:
    own_postgres.stop()
    async with recording(tmp_path, openai, own_postgres.url) as bridge:
        expected = await talk(bridge)
    own_postgres.start()
    async with recording(tmp_path, openai, own_postgres.url) as bridge:
        await health_when(bridge, lambda body: body["record"]["spool_bytes"] == 0)
        await all_on_record(bridge, expected)


# ── E2, E3, E10: lost, frozen, cut ───────────────────────────────────────────────────────────────


async def test_a_server_that_stops_in_mid_call_gets_all_of_it_once(  # E2
    tmp_path: Path, openai: FakeOpenAI, own_postgres: OwnPostgres
) -> None:
    async with recording(tmp_path, openai, own_postgres.url) as bridge, dialled(bridge) as millis:
        said = await _talk(millis, "long", 3)
        await recorder_of(bridge).written()
        own_postgres.stop_immediate()
        said += [await millis.asked(n, GREETING, f"More {n}.") for n in range(4, 8)]
        expected = await talk(bridge)
        await health_when(bridge, lambda body: body["record"]["state"] == "away")
        own_postgres.start()
        said += [await millis.asked(8, GREETING, "Last.")]
        await all_on_record(bridge, {"long": said, **expected})


async def first_words(bridge: Bridge, calls: int) -> list[float]:
    """Seconds to the first word of an answer, in calls one after the other."""
    took = []
    for _ in range(calls):
        async with dialled(bridge) as millis:
            await millis.start(0, f"timed-{next(_numbers)}")
            await millis.answer(0)
            began = time.perf_counter()
            await millis.ask(1, GREETING, "How long?")
            await millis.first_word(1)
            took.append(time.perf_counter() - began)
            await millis.answer(1)
    return took


async def test_a_frozen_server_holds_up_nobody_and_gets_it_all_when_it_thaws(  # E3
    tmp_path: Path, openai: FakeOpenAI, own_postgres: OwnPostgres
) -> None:
    async with recording(tmp_path, openai, own_postgres.url) as bridge:
        await first_words(bridge, 3)
        well = await first_words(bridge, 10)
        own_postgres.freeze()
        try:
            frozen = await first_words(bridge, 10)
            expected = await talk(bridge)
        finally:
            own_postgres.thaw()
        await all_on_record(bridge, expected)
    # A wait for the database would be seconds; the medians are those of a busy machine.
    assert statistics.median(frozen) < statistics.median(well) + 0.1
    assert max(frozen) < 1.0


async def test_a_locked_table_holds_up_nobody(  # E3
    tmp_path: Path, openai: FakeOpenAI, postgres_url: str
) -> None:
    async with recording(tmp_path, openai, postgres_url) as bridge:
        async with outside(postgres_url) as other, other.transaction():
            await other.execute("LOCK TABLE calls, turns IN ACCESS EXCLUSIVE MODE")
            assert max(await first_words(bridge, 5)) < 1.0
            expected = await talk(bridge)
        await all_on_record(bridge, expected)


async def test_a_file_that_somebody_else_writes_to_holds_up_nobody(  # E3
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with recording(tmp_path, openai, sqlite_url) as bridge:
        other = sqlite3.connect(sqlite_url.partition(":///")[2])
        try:
            other.execute("BEGIN IMMEDIATE")
            assert max(await first_words(bridge, 5)) < 1.0
            expected = await talk(bridge)
        finally:
            other.rollback()
            other.close()
        await all_on_record(bridge, expected)


async def test_a_connection_that_is_cut_costs_nothing(  # E10
    tmp_path: Path, openai: FakeOpenAI, postgres_url: str
) -> None:
    async with recording(tmp_path, openai, postgres_url) as bridge:
        expected = await talk(bridge)
        await recorder_of(bridge).written()
        assert await cut_backends(postgres_url)
        expected |= await talk(bridge)
        await all_on_record(bridge, expected)


# ── E8, E9: several processes ────────────────────────────────────────────────────────────────────


async def test_two_bridges_keep_one_record(  # E8, E9
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    async with recording(one, openai, url) as first, recording(two, openai, url) as second:
        said = await asyncio.gather(*(talk(bridge) for bridge in (first, second) * 3))
        for bridge, expected in zip((first, second) * 3, said, strict=True):
            await all_on_record(bridge, expected)
            await all_on_record(second if bridge is first else first, expected)


async def test_a_bridge_that_starts_leaves_the_live_calls_of_another_alone(  # E9
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    async with recording(one, openai, url) as first, dialled(first) as millis:
        await _talk(millis, "live", 1)
        await recorder_of(first).written()
        for folder in (two, one):  # elsewhere, and beside it
            async with recording(folder, openai, url) as other:
                expected = await talk(other)
                await all_on_record(other, expected)
                (call,) = await recorder_of(other).archive.call("live")
                assert call.state == "live"


# ── E11: erasing ─────────────────────────────────────────────────────────────────────────────────


async def test_a_live_call_that_is_erased_leaves_nothing_behind(  # E11
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    async with recording(tmp_path, openai, url) as bridge:
        recorder = recorder_of(bridge)
        async with dialled(bridge) as millis:
            said = await _talk(millis, "secret", 1)
            await recorder.written()
            assert await recorder.archive.erase_session("secret") == 1
            said += [await millis.asked(2, GREETING, "More.")]
        await health_when(bridge, lambda body: body["calls"] == 0)
        await recorder.written()
        assert await recorder.archive.call("secret") == []
        assert (await recorder.archive.calls(Filters())).calls == ()
        assert recorder.status()["lost"] == {}
    assert said


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "settings",
    [
        {"database_url": SecretStr("sqlite+aiosqlite:////nowhere/at/all/calls.db")},
        {"spool_dir": Path("/proc/nowhere")},
    ],
)
async def test_a_record_that_can_never_be_kept_is_refused_in_one_line(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError) as told:
        async with recording(tmp_path, openai, sqlite_url, **settings):
            pass
    assert "\n" not in str(told.value)
    assert "/nowhere" in str(told.value)
