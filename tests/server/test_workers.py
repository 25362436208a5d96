"""Several processes on one port: one dies, and the calls of the others do not notice."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.fake_openai.client import FakeOpenAI
from tests.otlp import collecting
from tests.server.metered import Metrics, metrics
from tests.wire import PATIENCE, Served, Wire, dialled, run_cli, served

CALLS = 16
SHARED = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())  # noqa: S108
ANSWER = "Well, " * 8 + "it is."
SLOW = {"say": ANSWER, "gap_ms": 40}


@pytest.fixture
def variables(openai: FakeOpenAI) -> dict[str, str]:
    return {
        "BRIDGE_WORKERS": "2",
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_FILLER_AFTER": "0",
    }


async def health(bridge: Served) -> dict[str, Any]:
    """Ask /healthz on a connection of its own: any worker may answer."""
    url = f"http://127.0.0.1:{bridge.port}/healthz"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        body: dict[str, Any] = await response.json()
        return body


async def workers(bridge: Served, count: int, without: int = 0) -> set[int]:
    """Ask until so many have answered, none of them `without`."""
    seen: set[int] = set()
    async with asyncio.timeout(PATIENCE):
        while len(seen) < count:
            seen |= {body["worker"]["pid"] for body in [await health(bridge)]} - {without}
            await asyncio.sleep(0.005)
    return seen


@asynccontextmanager
async def calling(bridge: Served, number: int) -> AsyncIterator[Wire]:
    """A call that has been greeted."""
    async with dialled(bridge) as millis:
        await millis.start(0, f"s{number}")
        await millis.answer(0)
        yield millis


async def replica_of(archive: Archive, number: int) -> int:
    """The process that a call is on, by its record."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for call in await archive.call(f"s{number}"):
                return int(call.replica.split("-")[-2])
            await asyncio.sleep(0.02)


async def test_a_worker_that_is_killed_is_replaced_and_the_other_loses_no_turn(
    tmp_path: Path, openai: FakeOpenAI, variables: dict[str, str]
) -> None:
    await openai.script(*[SLOW] * CALLS)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/calls.db")
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(served(tmp_path, **variables))
        first = await workers(bridge, 2)
        await database.open()
        stack.push_async_callback(database.close)
        lines = await stack.enter_async_context(AsyncExitStack())
        calls = [await lines.enter_async_context(calling(bridge, n)) for n in range(CALLS)]
        on = [await replica_of(Archive(database), n) for n in range(CALLS)]
        assert set(on) == first  # the port is shared
        dead = on[0]
        for call in calls:
            await call.ask(1, "How is it?")
        for call in calls:
            await call.first_word(1)
        os.kill(dead, signal.SIGKILL)
        for call, pid in zip(calls, on, strict=True):
            if pid != dead:
                assert await call.answer(1) == ANSWER
        anew = await workers(bridge, 2, without=dead)
        assert len(anew & first) == 1
        async with calling(bridge, CALLS):
            pass
        await lines.aclose()
        code, _, err = await bridge.stop()
        kept = [await Archive(database).call(f"s{n}") for n in range(CALLS)]
    assert code == 0
    assert f"(pid:{dead}) was sent SIGKILL" in err
    assert "Traceback" not in err
    assert {pid: call.ending for (call,), pid in zip(kept, on, strict=True)} == {
        dead: "aborted",
        (first - {dead}).pop(): "hung_up",
    }


async def test_sigterm_drains_every_worker(
    tmp_path: Path, openai: FakeOpenAI, variables: dict[str, str]
) -> None:
    await openai.script(*[SLOW] * CALLS)
    async with AsyncExitStack() as lines:
        collector = await lines.enter_async_context(collecting())
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        bridge = await lines.enter_async_context(served(tmp_path, **variables))
        pids = await workers(bridge, 2)
        calls = [await lines.enter_async_context(calling(bridge, n)) for n in range(CALLS)]
        for call in calls:
            await call.ask(1, "How is it?")
        for call in calls:
            await call.first_word(1)
        bridge.process.send_signal(signal.SIGTERM)
        for call in calls:
            assert await call.answer(1) == ANSWER
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dialled(bridge):
                pass
        assert refused.value.status == 503
        stays = calls.pop()
        for call in calls:
            await call.socket.close()
        bridge.process.send_signal(signal.SIGTERM)  # again: quickly
        began = time.monotonic()
        assert await stays.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert (await bridge.stop(signal.SIGCONT))[0] == 0
        assert time.monotonic() - began < 15
        assert {resource["process.pid"] for resource in collector.resources} == pids
        assert len(collector.of("call")) == CALLS


async def all_tell(bridge: Served, value: float, name: str, **labels: str) -> Metrics:
    """Ask, each time another worker or the same, until they all tell this for a while."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pages = [await metrics(bridge) for _ in range(12)]
            if {page.value(name, **labels) for page in pages} == {value}:
                return pages[-1]
            await asyncio.sleep(0.05)  # a worker tells the others once a second


async def test_whichever_worker_is_asked_for_metrics_tells_of_all_and_of_those_that_died(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    variables |= {"BRIDGE_MODEL": "demo", "BRIDGE_RECORD": "off"}
    async with served(tmp_path, **variables) as bridge:
        first = await workers(bridge, 2)
        (folder,) = SHARED.glob(f"millis-bridge-{bridge.process.pid}-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        async with AsyncExitStack() as lines:
            for number in range(CALLS):
                await lines.enter_async_context(calling(bridge, number))
            page = await all_tell(bridge, CALLS, "calls_live")
            assert page.value("turns_total", outcome="complete") == CALLS
            assert page.value("calls_limit") == 2000
        await all_tell(bridge, CALLS, "calls_total", ending="hung_up")
        dead = min(first)
        os.kill(dead, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            anew = False
            while not anew:
                with suppress(aiohttp.ClientError):  # the dead one had accepted it
                    page = await metrics(bridge)
                    assert page.value("calls_total", ending="hung_up") == CALLS
                    anew = (await health(bridge))["worker"]["pid"] not in first
        await all_tell(bridge, 2000, "calls_limit")
        page = await all_tell(bridge, CALLS, "calls_total", ending="hung_up")
        assert page.value("calls_live") == 0
        assert (await bridge.stop())[0] == 0
        assert not folder.exists()


async def test_workers_that_cannot_start_say_why_once_and_end(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"no database at all " * 100)
    process = await run_cli(
        tmp_path, "serve", "--workers", "2", BRIDGE_PORT="0", BRIDGE_MODEL="demo"
    )
    async with asyncio.timeout(PATIENCE + 10):
        out, err = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    told = [line for line in err.decode().splitlines() if not line.startswith("{")]
    assert len(told) == 1
    assert told[0].startswith("bridge: ")
    assert "calls.db" in told[0]
