"""One MCP server: connected, bounded, lost and found again, against a real one."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from bridge.agent.policy import policy_of
from bridge.errors import ToolError
from bridge.plugins.mcp.server import AWAY, LOST, McpServer
from tests.mcp_running import by_stdio, free_port, http_server, keeping, kill_latest
from tests.wire import came_true, noted


async def use(server: McpServer, name: str, /, **arguments: object) -> ToolMessage:
    """Use a tool as the agent would."""
    (tool,) = [tool for tool in server.offer.tools if tool.name == name]
    call = {"name": name, "type": "tool_call", "id": "1", "args": arguments}
    message = await tool.ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


async def waiting_for(server: McpServer, folder: Path, name: str) -> "asyncio.Task[ToolMessage]":
    """A tool that is under way at the server."""
    task = asyncio.create_task(use(server, "wait_for", name=name))
    await came_true(lambda: name in noted(folder, "waiting"))
    return task


async def back(server: McpServer) -> None:
    await came_true(lambda: server.offer.tools, timeout=20)


def gone(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False


# ── what it offers ───────────────────────────────────────────────────────────────────────────────


async def test_its_tools_are_used_like_others(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        assert not server.offer.away
        answer = await use(server, "find_order", number="1042")
        assert (answer.text, answer.status) == ("order 1042 is packed", "success")
    assert noted(tmp_path, "found") == ["1042 False"]
    (pid,) = noted(tmp_path, "started")
    assert gone(pid)


async def test_a_no_of_the_server_is_a_failure_in_its_words(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        answer = await use(server, "refuse", state="closed today")
        assert answer.status == "error"
        assert "closed today" in answer.text


async def test_pictures_are_left_out(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        assert (await use(server, "picture")).text == "a lamp"


async def test_names_and_descriptions_are_bounded(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        (odd,) = [tool for tool in server.offer.tools if tool.name == "odd_name_with_more"]
        assert len(odd.description) == 1024
        assert (await use(server, "odd_name_with_more")).text == "odd"


async def test_a_tool_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        assert "take_runtime" not in server.offer.known
    async with keeping(
        tmp_path, **by_stdio(tmp_path, allow=["take_runtime", "find_oder"])
    ) as server:
        assert server.offer.tools == ()
        missing, unfit = server.offer.problems
        assert missing == "it has no tool 'find_oder'"
        assert "'take_runtime' is left out: an argument cannot be called 'runtime' here" in unfit


async def test_only_what_is_allowed_is_taken_with_its_policy(tmp_path: Path) -> None:
    table = by_stdio(
        tmp_path,
        allow=["find_order", "refuse"],
        tools={"find_order": {"read_only": True, "timeout": 2}},
    )
    async with keeping(tmp_path, **table) as server:
        found, refuse = server.offer.tools
        assert (found.name, refuse.name) == ("find_order", "refuse")
        assert policy_of(found).read_only
        assert policy_of(found).timeout == 2
        assert not policy_of(refuse).read_only


async def test_variables_and_headers_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "sesame-1")
    async with keeping(tmp_path, **by_stdio(tmp_path, env={"KEY": "k-${SHOP_TOKEN}"})) as server:
        assert (await use(server, "environment", name="KEY")).text == "k-sesame-1"
        assert (await use(server, "environment", name="SHOP_TOKEN")).text == "none"
    async with http_server(tmp_path) as running:
        headers = {"Authorization": "Bearer ${SHOP_TOKEN}"}
        async with keeping(tmp_path, url=running.url, headers=headers) as server:
            assert (await use(server, "header", name="authorization")).text == "Bearer sesame-1"


async def test_a_changed_list_is_read_again(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        await use(server, "grow")
        await came_true(lambda: "grown" in server.offer.known)
        assert (await use(server, "grown")).text == "new"


# ── lost and found ───────────────────────────────────────────────────────────────────────────────


async def test_a_stdio_server_that_dies_in_mid_call_is_a_failure_and_comes_back(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as server:
        under_way = await waiting_for(server, tmp_path, "a")
        tool = server.offer.tools[0]
        kill_latest(tmp_path)
        with pytest.raises(ToolError, match="It may or may not") as caught:
            await under_way
        assert str(caught.value) == LOST
        assert caught.value.maybe_done
        await came_true(lambda: server.offer.away)
        assert server.offer.tools == ()
        assert "find_order" in server.offer.known
        with pytest.raises(ToolError) as refused:
            await tool.ainvoke({"number": "1"})
        assert (str(refused.value), refused.value.maybe_done) == (AWAY, False)
        await back(server)
        assert (await use(server, "find_order", number="2")).text == "order 2 is packed"
    assert all(map(gone, noted(tmp_path, "started")))


@pytest.mark.parametrize("again_at_once", [False, True])
async def test_an_http_server_that_dies_in_mid_call_is_a_failure_and_comes_back(
    tmp_path: Path, *, again_at_once: bool
) -> None:
    async with http_server(tmp_path) as running:
        async with keeping(tmp_path, url=running.url) as server:
            under_way = await waiting_for(server, tmp_path, "a")
            await running.kill()
            if again_at_once:
                await running.start()
            with pytest.raises(ToolError, match="It may or may not"):
                await under_way
            await came_true(lambda: server.offer.away or again_at_once)
            if not again_at_once:
                await running.start()
            await back(server)
            assert (await use(server, "find_order", number="2")).text == "order 2 is packed"


async def test_a_stdio_server_that_dies_between_calls_is_noticed_at_once(tmp_path: Path) -> None:
    async with keeping(tmp_path) as server:
        kill_latest(tmp_path)
        await came_true(lambda: not server.offer.tools)
        await came_true(lambda: server.offer.problems == ("the connection was closed",))
        await back(server)


async def test_an_http_server_that_dies_between_calls_is_found_by_a_ping(tmp_path: Path) -> None:
    async with http_server(tmp_path) as running:
        async with keeping(tmp_path, idle=0.1, url=running.url) as server:
            await asyncio.sleep(0.3)
            assert server.offer.tools
            await running.kill()
            await came_true(lambda: server.offer.problems == ("it cannot be reached",))
            assert server.offer.tools == ()


async def test_what_cannot_be_reached_says_why(tmp_path: Path) -> None:
    async with keeping(tmp_path, command="no-such-program-here") as server:
        (problem,) = server.offer.problems
        assert problem == "it cannot be started: No such file or directory"
    async with keeping(tmp_path, url=f"http://127.0.0.1:{free_port()}/mcp") as server:
        assert server.offer.problems == ("it cannot be reached",)
    async with http_server(tmp_path) as running:
        async with keeping(tmp_path, url=f"{running.url}/nowhere") as server:
            (problem,) = server.offer.problems
            assert problem in {
                "the connection was closed",
                "it answers with HTTP 404: check the url",
            }


# ── cancelled and stopped ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["stdio", "http"])
async def test_a_cancelled_tool_is_cancelled_at_the_server(tmp_path: Path, how: str) -> None:
    async with http_server(tmp_path) as running:
        table = by_stdio(tmp_path) if how == "stdio" else {"url": running.url}
        async with keeping(tmp_path, **table) as server:
            under_way = await waiting_for(server, tmp_path, "a")
            under_way.cancel()
            await asyncio.wait({under_way})
            assert under_way.cancelled()
            await came_true(lambda: noted(tmp_path, "cancelled") == ["a"])
            assert (await use(server, "find_order", number="2")).text == "order 2 is packed"


async def test_stopping_is_bounded_and_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'started')!r}, 'w').write(str(os.getpid()))\n"
        "while True: time.sleep(1)\n"
    )
    table = {"command": by_stdio(tmp_path)["command"], "args": [str(tmp_path / "deaf.py")]}
    task = asyncio.create_task(_entered(tmp_path, table))
    await came_true(lambda: noted(tmp_path, "started"))
    began = time.monotonic()
    task.cancel()
    await asyncio.wait({task})
    assert time.monotonic() - began < 20
    (pid,) = noted(tmp_path, "started")
    assert gone(pid)


async def _entered(folder: Path, table: dict[str, Any]) -> None:
    async with keeping(folder, **table):
        pass
