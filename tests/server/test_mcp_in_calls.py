"""MCP servers in live calls: real servers, killed and started again between and in turns."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.errors import SettingsError
from bridge.plugins.mcp.server import LOST
from tests.fake_openai.client import FakeOpenAI
from tests.mcp_running import by_stdio, free_port, http_server, kill_latest, tables
from tests.wire import (
    asking,
    bridge_running,
    came_true,
    dialled,
    health,
    health_when,
    noted,
    results,
    tool_call,
    write_tool,
)

CLOCK = '''
@tool
def clock() -> str:
    """Tell the time."""
    return "noon"
'''


async def offered(openai: FakeOpenAI) -> set[str]:
    """The tools that the model was last offered."""
    body = (await openai.requests())[-1]["body"]
    return {tool["function"]["name"] for tool in body.get("tools", [])}


async def told(openai: FakeOpenAI) -> list[str]:
    """What the model was last told of its tools."""
    return list(results((await openai.requests())[-1]).values())


async def test_a_call_uses_tools_of_a_server_and_of_the_folder(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "clock", CLOCK)
    both = asking(tool_call("find_order", "a", number="7"), tool_call("clock", "b"))
    await openai.script(both, {"say": "It is packed."})
    mcp = tables(shop=by_stdio(tmp_path))
    async with bridge_running(tmp_path, openai.base_url, mcp=mcp) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "where is it?") == "It is packed."
    assert sorted(await told(openai)) == ["noon", "order 7 is packed"]
    assert {"clock", "find_order"} <= await offered(openai)


async def test_a_server_that_dies_in_mid_call_is_a_failed_tool_and_its_tools_vanish(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(
        asking(tool_call("wait_for", name="x")), {"say": "It failed."}, {"say": "No."}
    )
    async with http_server(tmp_path) as running:
        mcp = tables(shop={"url": running.url})
        async with bridge_running(tmp_path, openai.base_url, mcp=mcp) as bridge:
            async with dialled(bridge) as millis:
                await millis.ask(1, "wait")
                await came_true(lambda: noted(tmp_path, "waiting"))
                await running.kill()
                assert (await millis.answer(1)).endswith("It failed.")
                assert await told(openai) == [LOST]
                body = await health_when(bridge, lambda body: body["failures"])
                (failure,) = body["failures"]
                assert failure["file"] == "bridge.toml"
                assert failure["reason"].startswith("[mcp.shop] ")
                assert "wait_for" not in body["tools"]

                await millis.asked(2, "wait", "It failed.", "again?")
                assert "wait_for" not in await offered(openai)

                await running.start()
                await health_when(bridge, lambda body: "wait_for" in body["tools"], timeout=20)
                await openai.script({"say": "Yes."})
                await millis.asked(3, "wait", "It failed.", "again?", "No.", "now?")
                assert "wait_for" in await offered(openai)


async def test_a_stdio_server_that_dies_between_turns_comes_back(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("find_order", number="8")), {"say": "Packed."})
    mcp = tables(shop=by_stdio(tmp_path))
    async with bridge_running(tmp_path, openai.base_url, mcp=mcp) as bridge:
        kill_latest(tmp_path)
        await health_when(bridge, lambda body: "find_order" not in body["tools"])
        await health_when(bridge, lambda body: "find_order" in body["tools"], timeout=20)
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "where is it?") == "Packed."
    assert await told(openai) == ["order 8 is packed"]


async def test_an_interrupt_stops_a_tool_that_only_reads_at_the_server_too(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("wait_for", name="x")), {"say": "Never said."})
    mcp = tables(shop=by_stdio(tmp_path, tools={"wait_for": {"read_only": True}}))
    async with bridge_running(tmp_path, openai.base_url, mcp=mcp) as bridge:
        async with dialled(bridge) as millis:
            await millis.ask(1, "wait")
            await came_true(lambda: noted(tmp_path, "waiting"))
            await millis.interrupt(1)
            await came_true(lambda: noted(tmp_path, "cancelled") == ["x"])


async def test_a_tool_with_side_effects_that_takes_too_long_is_given_up(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("wait_for", name="x")), {"say": "Too long."})
    mcp = tables(shop=by_stdio(tmp_path, tools={"wait_for": {"timeout": 0.3}}))
    async with bridge_running(tmp_path, openai.base_url, mcp=mcp) as bridge:
        async with dialled(bridge) as millis:
            assert (await millis.asked(1, "wait")).endswith("Too long.")
            await came_true(lambda: noted(tmp_path, "cancelled") == ["x"])


async def test_a_dead_server_keeps_nobody_from_starting_and_no_secret_is_shown(
    tmp_path: Path, openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "canary-6d1f")
    await openai.script({"say": "Hello."})
    crm = {
        "url": f"http://127.0.0.1:{free_port()}/mcp?key=${{CRM_TOKEN}}",
        "headers": {"Authorization": "Bearer ${CRM_TOKEN}"},
    }
    clock = loop_clock()
    began = clock()
    async with bridge_running(tmp_path, openai.base_url, mcp=tables(crm=crm)) as bridge:
        assert clock() - began < 5
        assert "canary-6d1f" in bridge.settings.secrets
        assert "canary" not in repr(bridge.settings)
        body = await health(bridge)
        assert [failure["reason"] for failure in body["failures"]] == [
            "[mcp.crm] it cannot be reached"
        ]
        assert b"canary" not in orjson.dumps(body)
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "Hello."


async def test_a_persona_waits_for_the_tools_of_a_server_that_is_away(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas: dict[str, Any] = {"sales": {"allow": ["find_order"], "end_call": False}}
    async with http_server(tmp_path) as running:
        await running.kill()
        mcp = tables(shop={"url": running.url})
        async with bridge_running(tmp_path, openai.base_url, mcp=mcp, personas=personas) as bridge:
            reasons = [failure["reason"] for failure in (await health(bridge))["failures"]]
            assert (
                "[personas.sales] names the tool 'find_order', of a server that is away" in reasons
            )
            await running.start()
            await health_when(bridge, lambda body: not personal(body), timeout=20)
            await openai.script({"say": "Yes."})
            async with dialled(bridge, "/millis/sales") as millis:
                await millis.asked(1, "hello")
            assert await offered(openai) == {"find_order"}
    personas["sales"]["allow"] = ["fnd_order"]
    mcp = tables(shop=by_stdio(tmp_path))
    with pytest.raises(SettingsError, match="'fnd_order', which is not loaded"):
        async with bridge_running(tmp_path, openai.base_url, mcp=mcp, personas=personas):
            pass


def personal(body: dict[str, Any]) -> bool:
    return any("personas" in failure["reason"] for failure in body["failures"])


def loop_clock() -> Any:
    return asyncio.get_running_loop().time
