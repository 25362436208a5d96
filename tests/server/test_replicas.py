"""Two bridges with two workers each behind a real HAProxy, with PostgreSQL as their record."""

import asyncio
import os
import shutil
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.fake_openai.client import FakeOpenAI
from tests.store.postgres import new_database, server_url
from tests.wire import PATIENCE, Served, Wire, dialled, served

HAPROXY = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
CALLS = int(os.environ.get("BRIDGE_TEST_CALLS", "30"))
"""Calls at once; `make soak` holds 100."""
ANSWER = "Well, that is a long story, and I shall tell you all of it in good time."
SLOW = {"say": ANSWER, "gap_ms": 100}


@pytest.fixture
def server() -> str:
    """The PostgreSQL of the tests."""
    return server_url()


@asynccontextmanager
async def balancer(one: Served, two: Served) -> AsyncIterator[SimpleNamespace]:
    """HAProxy as in deploy/, once it has found both bridges."""
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if haproxy is None:
        pytest.skip("no haproxy here: apt-get install haproxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(haproxy, "-db", "-q", "-f", str(HAPROXY)),
        env={
            "LISTEN": f"127.0.0.1:{port}",
            "BRIDGE_ONE": f"127.0.0.1:{one.port}",
            "BRIDGE_TWO": f"127.0.0.1:{two.port}",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        door = SimpleNamespace(port=port)
        await until_listening(port)
        yield door
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def status(port: int, path: str) -> int:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}{path}") as response:
            return response.status


async def workers_of(bridge: Served) -> set[int]:
    """The processes of a bridge, all of which have answered."""
    url, seen = f"http://127.0.0.1:{bridge.port}/healthz", set[int]()
    async with asyncio.timeout(PATIENCE):
        while len(seen) < 2:
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                seen.add((await response.json())["worker"]["pid"])
    return seen


async def processes(archive: Archive, sessions: Iterable[str]) -> dict[str, int]:
    """Which process each session is on, by the record."""
    found: dict[str, int] = {}
    async with asyncio.timeout(PATIENCE):
        for session in sessions:
            while True:
                if calls := await archive.call(session):
                    found[session] = int(calls[-1].replica.split("-")[-2])
                    break
                await asyncio.sleep(0.05)
    return found


async def called(door: SimpleNamespace, session: str, lines: AsyncExitStack) -> Wire:
    """A call through HAProxy, greeted."""
    call = await lines.enter_async_context(dialled(door))
    await call.start(0, session)
    await call.answer(0)
    return call


@asynccontextmanager
async def house(tmp_path: Path, openai: FakeOpenAI, url: str) -> AsyncIterator[list[Served]]:
    """Two bridges that share nothing but their record."""
    plain = url.replace("+asyncpg", "")
    variables = {
        "BRIDGE_WORKERS": "2",
        "BRIDGE_PRE_DRAIN": "3",
        "BRIDGE_DATABASE_URL": plain,
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_FILLER_AFTER": "0",
    }
    async with AsyncExitStack() as stack:
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            folder.mkdir()
        starts = (served(folder, **variables) for folder in folders)
        yield await asyncio.gather(*map(stack.enter_async_context, starts))


@pytest.mark.timeout(120)
async def test_only_calls_of_a_killed_process_lose_a_turn(
    tmp_path: Path, openai: FakeOpenAI, server: str
) -> None:
    await openai.script(*[SLOW] * CALLS, *[{"say": ANSWER}] * 2)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(new_database(server))
        one, two = await stack.enter_async_context(house(tmp_path, openai, url))
        door = await stack.enter_async_context(balancer(one, two))
        database = Database(url)
        await database.open()
        stack.push_async_callback(database.close)
        archive = Archive(database)
        on_one, on_two = await workers_of(one), await workers_of(two)
        assert await status(door.port, "/api/calls") == 404
        assert await status(door.port, "/healthz") == 404

        lines = await stack.enter_async_context(AsyncExitStack())
        calls = {f"s{n}": await called(door, f"s{n}", lines) for n in range(CALLS)}
        on = await processes(archive, calls)
        shares = Counter("one" if pid in on_one else "two" for pid in on.values())
        assert min(shares.values()) >= CALLS // 3
        for call in calls.values():
            await call.ask(1, "Tell me.")
        for call in calls.values():
            await call.first_word(1)

        # In mid-answer: one bridge is told to stop, and a worker of the other is killed.
        one.process.send_signal(signal.SIGTERM)
        dead = on["s0"] if on["s0"] in on_two else next(pid for pid in on.values() if pid in on_two)
        os.kill(dead, signal.SIGKILL)
        lost = {session for session, pid in on.items() if pid == dead}
        for session, call in calls.items():
            if session not in lost:
                assert await call.answer(1) == ANSWER
        assert await status(one.port, "/readyz") == 503

        # New calls find the other bridge, and so do those whose line was lost.
        survivors = {session: pid for session, pid in on.items() if pid in on_one}
        comes_back = [sorted(lost)[0], sorted(survivors)[0]]
        for session in comes_back:
            await calls[session].socket.close()
            again = await called(door, session, lines)
            assert again.said(0) == ""  # it goes on: no second greeting
            assert await again.asked(1, "Tell me.", ANSWER, "Go on.") == ANSWER
        await called(door, "new", lines)
        now = await processes(archive, ["new"])
        assert now["new"] not in on_one | {dead}
        assert len(await workers_of(two)) == 2

        await lines.aclose()
        async with asyncio.timeout(PATIENCE):
            await one.process.wait()
        assert one.process.returncode == 0
        assert (await two.stop(signal.SIGINT))[0] == 0
        for session in calls.keys() - lost:
            call_then = (await archive.call(session))[0]
            outcomes = [turn.outcome for turn in call_then.timeline]
            assert (call_then.ending, outcomes[:2]) == ("hung_up", ["complete", "complete"])
