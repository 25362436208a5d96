"""Stopping without cutting anybody off: faults F1 to F3."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bridge.app import Bridge
from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    PATIENCE,
    Served,
    Wire,
    asking,
    bridge_running,
    came_true,
    dialled,
    noted,
    run_cli,
    served,
    tool_call,
    write_tool,
)

CALLS = 20
SOON = 4.0
"""Seconds in which a process has ended that is to be quick, on a busy machine."""

GATE = '''
@tool
async def gate() -> str:
    """Wait until somebody opens."""
    note("waiting", "one")
    await file_there("open")
    note("through", "one")
    return "opened"
'''
STUBBORN = '''
@tool
def sleep() -> str:
    """Sleep, in a thread."""
    note("asleep", "one")
    time.sleep(60)
    return "rested"

@tool
async def hold_on() -> str:
    """Never let go."""
    note("held", "one")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("asked", "to let go")
'''
SLOW_FILE = """
note("loading", "one")
time.sleep(60)
"""


def variables(openai: FakeOpenAI, **more: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_FILLER_AFTER": "0",
        "BRIDGE_END_CALL": "false",
        **more,
    }


@asynccontextmanager
async def draining(bridge: Bridge) -> AsyncIterator[asyncio.Task[None]]:
    """Drain a bridge meanwhile, and wait for it at the end."""
    task = asyncio.create_task(bridge.drain(), name="drain")
    try:
        yield task
    finally:
        async with asyncio.timeout(PATIENCE):
            await task


async def status(bridge: Bridge | Served, path: str) -> int:
    """What a plain request gets."""
    url = f"http://127.0.0.1:{bridge.port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status


async def unready(bridge: Served) -> None:
    """Wait until it says that it is told to stop."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await status(bridge, "/readyz") == 503:
                return
            await asyncio.sleep(0.005)


async def refusal(bridge: Bridge | Served) -> int:
    """What a call gets that is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with dialled(bridge):
            pass
    return refused.value.status


# ── calls go on, and no new ones come ────────────────────────────────────────────────────────────


async def test_a_balancer_is_told_at_once_and_calls_are_refused_only_once_it_has_noticed(  # F1
    tmp_path: Path,
) -> None:
    async with bridge_running(tmp_path, model="demo", pre_drain=0.25) as bridge:
        assert await status(bridge, "/readyz") == 200
        async with draining(bridge) as drain:
            await asyncio.sleep(0)
            assert await status(bridge, "/readyz") == 503
            async with dialled(bridge) as millis:
                await millis.start(0)
                assert await millis.answer(0)
                await came_true(lambda: bridge.board.draining)
                assert await refusal(bridge) == 503
                assert await status(bridge, "/healthz") == 200
                assert await millis.asked(1, "Are you still there?")
                assert not drain.done()


async def test_the_tool_of_a_caller_who_has_hung_up_is_waited_for(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "gate", GATE)
    await openai.script(asking(tool_call("gate")))
    async with bridge_running(tmp_path, openai.base_url, pre_drain=0) as bridge:
        async with dialled(bridge) as millis:
            await millis.ask(1, "open up")
            await came_true(lambda: noted(tmp_path, "waiting"))
        async with draining(bridge) as drain:
            await came_true(lambda: bridge.board.draining)
            assert await status(bridge, "/healthz") == 200  # time goes by
            assert not drain.done()
            (tmp_path / "open").touch()
        assert noted(tmp_path, "through") == ["one"]


async def endings(folder: Path) -> list[tuple[str | None, list[str]]]:
    """How the calls on record ended, and their turns."""
    database = Database(f"sqlite+aiosqlite:///{folder}/calls.db")
    await database.open()
    try:
        archive, found = Archive(database), []
        for number in range(CALLS):
            (call,) = await archive.call(f"s{number}")
            found.append((call.ending, [turn.outcome for turn in call.timeline]))
        return found
    finally:
        await database.close()


async def test_no_turn_of_twenty_calls_is_cut_by_sigterm(  # F1
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "gate", GATE)
    gates, answers = [asking(tool_call("gate"))] * CALLS, [{"say": "It is open now."}] * CALLS
    await openai.script(*gates, *answers, *[{"say": "You are welcome."}] * CALLS)
    async with served(tmp_path, **variables(openai)) as bridge, AsyncExitStack() as lines:
        calls: list[Wire] = []
        for number in range(CALLS):
            calls.append(await lines.enter_async_context(dialled(bridge)))
            await calls[-1].start(0, f"s{number}")
            await calls[-1].answer(0)
            await calls[-1].ask(1, "Open the gate.")
        await came_true(lambda: len(noted(tmp_path, "waiting")) == CALLS)
        bridge.process.send_signal(signal.SIGTERM)
        await unready(bridge)
        assert await refusal(bridge) == 503
        (tmp_path / "open").touch()
        for call in calls:
            assert await call.answer(1) == "It is open now."
        for call in calls:
            thanks = ("Open the gate.", "It is open now.", "Thanks.")
            assert await call.asked(2, *thanks) == "You are welcome."
            assert sum(frame.get("end_of_stream", False) for frame in call.got) == 3
        await lines.aclose()
        code, _, err = await bridge.stop(signal.SIGCONT)
    assert code == 0
    assert "Traceback" not in err
    assert await endings(tmp_path) == [("hung_up", ["complete"] * 3)] * CALLS


# ── there is an end to patience ──────────────────────────────────────────────────────────────────


async def test_at_the_deadline_an_answer_is_ended_before_the_line_is_closed(  # F1
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "One moment, I am just "}, {"stall": True}])
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    record = {"record": "full", "database_url": url, "spool_dir": tmp_path / "spool"}
    async with AsyncExitStack() as closing:
        bridge = await closing.enter_async_context(
            bridge_running(tmp_path, openai.base_url, pre_drain=0, drain_timeout=0.3, **record)
        )
        async with dialled(bridge) as millis, dialled(bridge) as quiet:
            await millis.start(0, "s")
            await millis.answer(0)
            await millis.ask(1, "hello")
            await millis.first_word(1)
            async with draining(bridge):
                assert (await millis.answer(1)).startswith("One moment")
            await openai.wait("client_left")
            stopping = asyncio.create_task(closing.aclose())
            assert await millis.closed() == aiohttp.WSCloseCode.GOING_AWAY
            assert await quiet.closed() == aiohttp.WSCloseCode.GOING_AWAY
            await stopping
            assert millis.got[-1]["end_of_stream"]
            assert "sorry" not in millis.said(1)
    database = Database(url)
    await database.open()
    try:
        (call,) = await Archive(database).call("s")
    finally:
        await database.close()
    assert call.ending == "server_stopped"
    assert (call.timeline[1].outcome, call.timeline[1].failure) == ("failed", "server_stopped")


async def test_a_tool_that_outlives_the_hang_up_is_cancelled_and_its_call_is_over(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "gate", GATE)
    await openai.script(asking(tool_call("gate")))
    began = time.monotonic()
    async with bridge_running(
        tmp_path, openai.base_url, pre_drain=0, drain_timeout=0.1, shutdown_timeout=0.2
    ) as bridge:
        async with dialled(bridge) as millis:
            await millis.ask(1, "open up")
            await came_true(lambda: noted(tmp_path, "waiting"))
            async with draining(bridge):
                assert await millis.answer(1) == ""
    assert not bridge.board.live
    assert time.monotonic() - began < SOON
    assert noted(tmp_path, "through") == []


async def test_a_second_signal_is_quick_whatever_tools_and_files_are_up_to(  # F2, F3
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "stubborn", STUBBORN)
    await openai.script(asking(tool_call("sleep")), asking(tool_call("hold_on")))
    async with served(tmp_path, **variables(openai)) as bridge:
        async with dialled(bridge) as one, dialled(bridge) as other:
            await one.ask(1, "sleep")
            await came_true(lambda: noted(tmp_path, "asleep"))
            await other.ask(1, "hold on")
            await came_true(lambda: noted(tmp_path, "held"))
            write_tool(tmp_path, "slow", SLOW_FILE)  # is loaded when it is there
            await came_true(lambda: noted(tmp_path, "loading"))
            bridge.process.send_signal(signal.SIGTERM)
            await unready(bridge)
            assert await refusal(bridge) == 503
            began = time.monotonic()
            bridge.process.send_signal(signal.SIGTERM)
            assert await one.closed() == aiohttp.WSCloseCode.GOING_AWAY
            assert await other.closed() == aiohttp.WSCloseCode.GOING_AWAY
            code, _, err = await bridge.stop(signal.SIGCONT)
    assert code == 0
    assert time.monotonic() - began < SOON
    assert "Traceback" not in err
    assert noted(tmp_path, "asked")


async def test_sigterm_ends_a_process_that_has_only_just_begun(tmp_path: Path) -> None:  # F3
    process = await run_cli(tmp_path, "serve", PYTHONPROFILEIMPORTTIME="1")
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while not (await process.stderr.readline()).endswith(b" pydantic_settings\n"):
            pass
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def test_a_start_that_takes_long_ends_when_it_is_told_to(tmp_path: Path) -> None:  # F3
    write_tool(tmp_path, "slow", SLOW_FILE)
    process = await run_cli(tmp_path, "serve", BRIDGE_PORT="0", BRIDGE_MODEL="demo")
    await came_true(lambda: noted(tmp_path, "loading"))
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(SOON):
        out, err = await process.communicate()
    assert process.returncode == 0
    assert out == b""
    assert b"Traceback" not in err
