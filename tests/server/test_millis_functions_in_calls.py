"""Functions as Millis defines them, in real calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cli.commands import bridge as run_bridge
from tests.fake_openai.client import FakeOpenAI
from tests.store.calls import recording
from tests.toolkit.servers import Service, service
from tests.wire import (
    asking,
    bridge_running,
    dialled,
    health,
    health_when,
    results,
    tool_call,
    watched,
)


@pytest.fixture
async def server() -> AsyncIterator[Service]:
    async with service() as running:
        yield running


def define(folder: Path, server: Service, **changes: Any) -> None:
    definition = {
        "name": "find_order",
        "description": "Find an order.",
        "webhook": f"{server.url}/orders/{{FromPhone}}",
        "method": "GET",
        "params": [{"name": "number", "type": "string", "required": True}],
        **changes,
    }
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "tools" / "shop.millis.json").write_text(json.dumps(definition))


async def test_a_function_is_called_in_a_call_and_its_answer_is_read(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server)
    server.replies.append(web.json_response({"status": "packed"}))
    await openai.script(asking(tool_call("find_order", number="1042")), {"say": "It is packed."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        voip = {"from": "+15550100", "to": "+15550199"}
        await millis.start(session="s-7", voip=voip)
        assert await millis.asked(1, "where is order 1042?") == "It is packed."

    (asked,) = server.asked
    assert asked.path == "/orders/%2B15550100"
    assert asked.query == {"number": "1042", "session_id": "s-7"}
    request = (await openai.requests())[1]
    assert [json.loads(text) for text in results(request).values()] == [{"status": "packed"}]
    tools = {tool["function"]["name"]: tool["function"] for tool in request["body"]["tools"]}
    assert tools["find_order"]["parameters"]["required"] == ["number"]
    assert "runtime" not in json.dumps(tools["find_order"])


async def test_its_messages_are_what_a_waiting_caller_hears(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server, messages=["Let me look.", "I'm looking."])
    heard = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await heard.wait()
        return web.Response(text="found")

    server.replies.append(slow)
    await openai.script(asking(tool_call("find_order", number="1")), {"say": "It is there."})
    async with (
        bridge_running(tmp_path, openai.base_url, filler_after=0.05) as bridge,
        dialled(bridge) as millis,
    ):
        await millis.start(voip={"from": "+15550100"})
        await millis.ask(1, "where is it?")
        while millis.said(1).count("look") < 2:
            await millis.next()
        heard.set()
        said = await millis.answer(1)
    assert "Let me look." in said
    assert "I'm looking." in said
    assert said.endswith("It is there.")


async def test_a_failing_webhook_tells_the_model_nothing_of_the_inside(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server, webhook=server.url)
    server.replies.append(web.Response(status=500, text="Traceback: db.internal password"))
    await openai.script(asking(tool_call("find_order", number="1")), {"say": "Sorry."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "where is it?")
    told = " ".join(results((await openai.requests())[1]).values())
    assert "out of order" in told
    for inside in ("Traceback", "internal", "127.0.0.1", "500"):
        assert inside not in told


async def test_a_post_that_may_have_been_done_is_not_sent_again(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server, webhook=server.url, method="POST")
    server.replies.append(web.Response(status=502))
    again = asking(tool_call("find_order", number="1"))
    await openai.script(again, again, {"say": "I am not sure."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "order it") == "I am not sure."
    assert len(server.asked) == 1


async def test_a_get_is_not_made_while_the_turn_is_only_thought_ahead(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server)
    await openai.script(asking(tool_call("find_order", number="1")), match="where")
    await openai.script({"say": "As you like."}, match="never mind")
    async with (
        bridge_running(tmp_path, openai.base_url, think_ahead="final") as bridge,
        dialled(bridge) as millis,
    ):
        await millis.start(session="s")
        await millis.answer(0)
        data = {"session_id": "s", "transcript": "where is it", "is_final": True}
        await millis.send({"type": "partial_transcript", "data": data})
        await openai.wait("finished")
        await millis.settled()
        assert await millis.asked(1, "never mind") == "As you like."
    assert server.asked == []


@pytest.mark.parametrize("record", ["off", "metadata"])
async def test_what_runs_after_the_call_runs_when_the_caller_has_hung_up(
    tmp_path: Path, openai: FakeOpenAI, server: Service, sqlite_url: str, record: str
) -> None:
    define(tmp_path, server, run_after_call=True, method="POST")
    await openai.script(asking(tool_call("find_order", number="1")), {"say": "I will."})
    async with recording(tmp_path, openai, sqlite_url, record=record) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(session="s-9", voip={"from": "+15550100"})
            await millis.asked(1, "do it later")
            assert server.asked == []
            assert (await health(bridge))["after_calls"]["waiting"] == 1
            on_disk = [*(tmp_path / "spool").glob("deliveries/millis_function-find_order-*")]
            assert len(on_disk) == (record != "off")
            assert (tmp_path / "spool").exists() == (record != "off")
        body = await health_when(bridge, lambda body: body["after_calls"]["done"])
        assert body["after_calls"] == {
            "waiting": 0,
            "done": 1,
            "uncertain": 0,
            "failed_attempts": 0,
            "given_up": 0,
        }
        assert not any(path.exists() for path in on_disk)
    (asked,) = server.asked
    assert asked.path == "/orders/%2B15550100"
    assert asked.json == {"number": "1", "session_id": "s-9"}


async def test_a_settings_table_says_how_a_function_is_treated(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    define(tmp_path, server)
    await openai.script(asking(tool_call("find_order", number="1042")))
    tools: Any = {"find_order": {"confirm": "Shall I look for order {number}?"}}
    async with bridge_running(tmp_path, openai.base_url, tools=tools) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(session="s")
            assert await millis.asked(1, "find it") == "Shall I look for order 1042?"
            await watch.until("ToolFinished", name="find_order", outcome="refused")
    assert server.asked == []


async def test_definitions_are_watched_like_other_tool_files(
    tmp_path: Path, openai: FakeOpenAI, server: Service
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        define(tmp_path, server)
        await health_when(bridge, lambda body: body["tools"] == ["find_order"])
        define(tmp_path, server, method="FETCH")
        body = await health_when(bridge, lambda body: body["failures"])
        assert body["failures"][0]["file"] == "tools/shop.millis.json"
        assert body["failures"][0]["last_good_version_kept"]
        define(tmp_path, server, name="seek_order")
        await health_when(bridge, lambda body: body["tools"] == ["seek_order"])


async def test_bridge_tools_lists_them(tmp_path: Path, server: Service) -> None:
    define(tmp_path, server, messages=["Let me look.", "One moment."], timeout=4)
    ran = await run_bridge("tools", cwd=tmp_path)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "find_order  tools/shop.millis.json · up to 5 s",
        "  Find an order.",
        "  policy: has side effects · runs to its end · once until its outcome was heard",
        "    · filler: Let me look. / One moment.",
        "    number: text",
    ]
    define(tmp_path, server, webhook=None)
    ran = await run_bridge("tools", cwd=tmp_path)
    assert ran.code == 1
    assert "tools/shop.millis.json: function 'find_order': webhook: Field required" in ran.out
