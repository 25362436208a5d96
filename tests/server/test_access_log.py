"""Log lines: what was asked for, and nothing of how (G16, G18); whose turn it was."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs
from yarl import URL

from bridge.app import Bridge
from bridge.whose import say_whose
from tests.fake_openai.client import FakeOpenAI
from tests.server.metered import metrics_when
from tests.wire import (
    asking,
    bridge_running,
    came_true,
    dialled,
    tool_call,
    watched,
    write_tool,
)

TOKEN = "canary-token"
HOSTILE = "/millis/canary%0d%0a%1b[2J/canary?token=canary&x=%00"

BROKEN = '''
@tool
async def broken() -> str:
    """Fail."""
    raise ValueError("canary")
'''


async def ask(bridge: Bridge, path: str, method: str = "GET") -> int:
    url = URL(f"http://127.0.0.1:{bridge.port}{path}", encoded=True)
    async with aiohttp.ClientSession() as http, http.request(method, url) as response:
        await response.read()
        return response.status


def requests(logs: list[Any]) -> list[tuple[str, str, int]]:
    told = [log for log in logs if log["event"] == "request"]
    return [(log["method"], log["path"], log["status"]) for log in told]


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        (f"/millis/{TOKEN}x", "/millis/{first}", 401),
        (f"/millis?token={TOKEN}x", "/millis", 401),
        (f"/millis/canary/{TOKEN}", "/millis/{first}/{second}", 401),
        (HOSTILE, "/millis/{first}/{second}", 401),
        (f"/milis/{TOKEN}", "", 404),
        ("/api/calls/canary", "/api/calls/{name}", 503),
    ],
)
async def test_a_request_is_told_by_its_route(
    tmp_path: Path, path: str, told: str, status: int
) -> None:
    async with bridge_running(tmp_path, token=TOKEN) as bridge:
        with capture_logs() as logs:
            got = await ask(bridge, path)
            await came_true(lambda: requests(logs))
    assert got == status
    assert requests(logs) == [("GET", told, status)]
    assert "canary" not in str(logs)
    (log,) = [log for log in logs if log["event"] == "request"]
    assert log["ms"] >= 0
    assert log["peer"] == "127.0.0.1"


async def test_probes_that_go_well_are_quiet(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge:
        with capture_logs() as logs:
            assert await ask(bridge, "/healthz?token=canary") == 200
            assert await ask(bridge, "/metrics", "POST") == 405
            await came_true(lambda: len(requests(logs)) == 2)
    levels = {log["path"]: log["log_level"] for log in logs if log["event"] == "request"}
    assert levels == {"/healthz": "debug", "": "info"}
    assert "canary" not in str(logs)


async def test_a_call_is_told_once_when_it_is_over_and_so_is_who_watches(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, token=TOKEN, model="demo") as bridge:
        with capture_logs() as logs:
            async with dialled(bridge, f"/millis/{TOKEN}") as millis:
                await millis.start(0, session="s-1")
                await millis.answer(0)
            await came_true(lambda: [log for log in logs if log["event"] == "call ended"])
            await metrics_when(bridge, lambda m: not m.value("calls_live"))
    (ended,) = [log for log in logs if log["event"] == "call ended"]
    assert (ended["session"], ended["ending"], ended["close_code"]) == ("s-1", "hung_up", 1000)
    assert ended["seconds"] >= 0
    assert {path for _, path, _ in requests(logs)} == {"/metrics"}
    assert "canary" not in str(logs)


async def test_a_watched_call_is_told_as_a_request_that_took_long(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge:
        with capture_logs() as logs:
            async with watched(bridge, "canary"):
                assert not requests(logs)
            await came_true(lambda: requests(logs))
    assert requests(logs) == [("GET", "/watch/{session}", 101)]
    assert "canary" not in str([log for log in logs if log["event"] == "request"])


async def test_every_line_of_a_turn_says_whose_it_is(tmp_path: Path, openai: FakeOpenAI) -> None:
    write_tool(tmp_path, "tools", BROKEN)
    await openai.script(asking(tool_call("broken")), {"say": "No."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        with capture_logs([say_whose]) as logs:
            await millis.start(None, session="s-7")
            await millis.asked(3, "Do it.")
            await came_true(lambda: [log for log in logs if log["event"] == "turn ended"])
    lines = [log for log in logs if log["event"] in ("tool failed", "turn ended")]
    assert len(lines) >= 2
    for line in lines:
        assert (line["session"], line["turn"], line["stream_id"]) == ("s-7", 1, 3)
