"""Starting and stopping a real process: faults F2, F14, T10. Draining has a file of its own."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    CLOSE,
    PATIENCE,
    bridge_running,
    came_true,
    dialled,
    dialled_raw,
    raw_frame,
    run_cli,
    served,
    watched,
)

START = {"type": "start_call", "data": {"stream_id": 0, "session_id": "s"}}
PARTIAL = (
    '{"type":"partial_transcript","data":{"session_id":"s","transcript":"and","is_final":false}}'
)
SOON = 4.0
"""Seconds in which a server without stubborn callers has stopped."""


@asynccontextmanager
async def stopping(bridge: Bridge) -> AsyncIterator[None]:
    """Stop a bridge meanwhile."""
    leaving = asyncio.create_task(bridge.__aexit__(None, None, None), name="stopping")
    try:
        yield
    finally:
        async with asyncio.timeout(PATIENCE + 10):
            await leaving


async def test_ctrl_c_says_goodbye_to_a_live_call_and_ends_with_code_0(  # F2, T10
    tmp_path: Path,
) -> None:
    url = "http://127.0.0.1:{}/millis"
    async with served(tmp_path) as server, aiohttp.ClientSession() as http:
        async with http.ws_connect(url.format(server.port)) as call:
            await call.send_json(START)
            async with asyncio.timeout(PATIENCE):
                while '"end_of_stream":true' not in await call.receive_str():
                    pass
            began = time.monotonic()
            stopped = asyncio.create_task(server.stop(signal.SIGINT))
            async with asyncio.timeout(PATIENCE):
                goodbye = await call.receive()
            assert goodbye.type is aiohttp.WSMsgType.CLOSE
            assert goodbye.data == aiohttp.WSCloseCode.GOING_AWAY
            code, _, err = await stopped
        assert code == 0
        assert time.monotonic() - began < SOON
        assert "Traceback" not in err


async def test_an_answer_that_is_being_given_does_not_keep_the_server(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "Well"}, {"stall": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.ask(1, "hello")
        await millis.first_word(1)
        began = time.monotonic()
        async with stopping(bridge):
            assert await millis.closed() == aiohttp.WSCloseCode.GOING_AWAY
        await openai.wait("client_left")
        assert time.monotonic() - began < SOON
        assert not millis.ended(1)


async def test_a_caller_who_goes_on_speaking_hears_the_goodbye(tmp_path: Path) -> None:
    """A connection that is closed on what has not been read is reset, and its last frames lost."""
    async with bridge_running(tmp_path) as bridge, dialled_raw(bridge) as raw:
        with capture_logs() as logs:
            async with stopping(bridge):
                assert await raw.close_code() == aiohttp.WSCloseCode.GOING_AWAY
                for _ in range(20):
                    raw.send(PARTIAL)
                    await raw.writer.drain()
                    await asyncio.sleep(0)
                raw.send((4321).to_bytes(2, "big"), CLOSE)
                async with asyncio.timeout(PATIENCE):
                    assert await raw.reader.read() == b""
    (ended,) = [log for log in logs if log["event"] == "call ended"]
    assert (ended["ending"], ended["close_code"]) == ("server_stopped", 4321)


async def test_who_watches_a_call_hears_the_goodbye_too(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge, watched(bridge) as watch:
        began = time.monotonic()
        async with stopping(bridge):
            assert await watch.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize("kind", ["does not answer", "does not read"])
async def test_a_peer_who_ignores_the_goodbye_is_not_waited_for(
    tmp_path: Path, openai: FakeOpenAI, kind: str
) -> None:
    await openai.script([{"tokens": ["blah blah blah. " * 4000] * 400}, {"stall": True}])
    settings: dict[str, Any] = {"shutdown_timeout": 0.3, "max_answer_chars": 10**9}
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with dialled_raw(bridge, window=4096) as raw:
            if kind == "does not read":
                raw.send(
                    '{"type":"stream_request","data":{"stream_id":1,'
                    '"transcript":[{"role":"user","content":"go on"}]}}'
                )
                await openai.wait("first_chunk_sent")
                (outbox,) = bridge.board.live
                unsent = outbox._transport.get_write_buffer_size  # type: ignore[union-attr]
                await came_true(lambda: unsent() > 1 << 16)
            began = time.monotonic()
            async with stopping(bridge):
                if kind == "does not answer":
                    assert await raw.close_code() == aiohttp.WSCloseCode.GOING_AWAY
            assert time.monotonic() - began < SOON


async def test_nobody_is_let_in_while_the_server_stops(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge, dialled_raw(bridge) as raw:
        keep = aiohttp.ClientSession()
        url = f"http://127.0.0.1:{bridge.port}"
        async with keep, stopping(bridge):
            assert await raw.close_code() == aiohttp.WSCloseCode.GOING_AWAY  # left unanswered
            assert bridge.board.draining
            with pytest.raises(aiohttp.ClientError):
                await keep.ws_connect(f"{url}/millis")
            raw.writer.write(raw_frame((1001).to_bytes(2, "big"), CLOSE))


# ── starting ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:  # F14
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        process = await run_cli(tmp_path, "serve", BRIDGE_PORT=port)
        async with asyncio.timeout(PATIENCE + 10):
            out, err = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    told = [line for line in err.decode().splitlines() if not line.startswith("{")]  # log lines
    assert len(told) == 1
    assert told[0].startswith("bridge: ")
    assert port in told[0]
    assert "BRIDGE_PORT" in told[0]


async def test_the_welcome_says_all_that_is_needed_next(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "tools" / "clock.py").write_text(
        "from langchain_core.tools import tool\n"
        "@tool\n"
        'def the_time() -> str:\n    "Tell the time."\n    return "five"\n'
    )
    (tmp_path / "tools" / "broken.py").write_text("import no_such_module\n")
    (tmp_path / "prompts" / "system.md").write_text("Be brief.")
    began = time.monotonic()
    async with served(tmp_path, BRIDGE_PROT="1") as server:
        ready = time.monotonic() - began
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{server.port}/readyz") as response:
                assert response.status == 200
        began = time.monotonic()
        code, rest, _ = await server.stop()
    assert code == 0
    assert time.monotonic() - began < SOON
    assert ready < 15
    welcome = " ".join((server.welcome + rest).split())
    assert "demo" in welcome
    assert "not a real language model" in welcome
    assert "OPENAI_API_KEY=" in welcome
    assert "BRIDGE_MODEL=openai:" in welcome
    assert f"ws://127.0.0.1:{server.port}/millis" in welcome
    assert "tools the_time" in welcome
    assert "prompts" in welcome
    assert "system" in welcome
    assert " chat" in welcome
    assert "broken.py" in welcome
    assert "no_such_module" in welcome
    assert "BRIDGE_PROT" in welcome
    assert "BRIDGE_PORT?" in welcome
    print(f"ready after {ready:.2f} s")  # noqa: T201 - shown with -s
