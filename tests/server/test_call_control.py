"""Ending and transferring calls, over real sockets and a real model server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.call.notes import WITHDRAWN
from bridge.plugins.prompts import BUILT_IN
from tests.fake_openai.client import FakeOpenAI
from tests.server.test_silence import played
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    dialled,
    results,
    tool_call,
    watched,
    write_tool,
)

DESTINATIONS = {"sales": "+15550100", "workshop": "sip:w@pbx.example"}
BYE = {"say": "Goodbye then."}


@asynccontextmanager
async def calling(folder: Path, openai: FakeOpenAI, **settings: Any) -> AsyncIterator[Wire]:
    async with bridge_running(folder, openai.base_url, **settings) as bridge:
        async with dialled(bridge) as wire:
            yield wire


async def test_the_call_is_ended_after_the_goodbye_was_played(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("end_call")), BYE)
    async with calling(tmp_path, openai) as millis:
        assert await millis.asked(1, "bye") == "Goodbye then."
        await millis.settled()
        assert not any(message["type"] == "end_call" for message in millis.got)
        await played(millis, 1)
        assert await millis.next() == {"type": "end_call", "stream_id": 1}
    assert "Say a short goodbye" in results((await openai.requests())[1])["c1"]


async def test_without_a_report_of_playback_the_call_is_ended_after_a_while(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("end_call")), {"say": "Bye"})
    async with calling(tmp_path, openai, goodbye_timeout=0.05) as millis:
        await millis.asked(1, "bye")
        assert (await millis.next())["type"] == "end_call"


async def test_a_caller_is_transferred_to_the_number_behind_the_name(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    call = tool_call("transfer_call", destination="workshop")
    await openai.script(asking(call), {"say": "One moment."})
    async with calling(tmp_path, openai, destinations=DESTINATIONS) as millis:
        await millis.asked(1, "the workshop please")
        await played(millis, 1)
        assert await millis.next() == {
            "type": "transfer_call",
            "stream_id": 1,
            "destination": "sip:w@pbx.example",
        }
    (request, _) = await openai.requests()
    offered = {t["function"]["name"]: t["function"] for t in request["body"]["tools"]}
    assert set(offered) == {"end_call", "transfer_call"}
    assert offered["transfer_call"]["parameters"]["properties"]["destination"]["enum"] == [
        "sales",
        "workshop",
    ]
    assert "+15550100" not in str(request["body"])


@pytest.mark.parametrize("destination", ["+19005550100", "boss", "", None, 5])
async def test_an_unknown_destination_is_refused_and_nothing_happens_to_the_call(
    tmp_path: Path, openai: FakeOpenAI, destination: Any
) -> None:
    call = tool_call("transfer_call", destination=destination)
    await openai.script(asking(call), {"say": "I cannot do that."})
    async with calling(tmp_path, openai, destinations=DESTINATIONS, goodbye_timeout=0.01) as millis:
        assert await millis.asked(1, "the boss please") == "I cannot do that."
        await played(millis, 1)
        await millis.asked(2, "the boss please", "I cannot do that.", "ok")
        assert {message["type"] for message in millis.got} == {"stream_response"}
    told = results((await openai.requests())[1])["c1"]
    assert "sales" in told, "the model is told what it may choose from"


async def test_a_tool_that_is_switched_off_is_not_offered(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with calling(tmp_path, openai, end_call=False) as millis:
        await millis.asked(1, "hello")
    assert "tools" not in (await openai.requests())[0]["body"]


async def test_they_stand_beside_the_users_own_tools_and_keep_their_names(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "mine", '@tool\ndef mine() -> str:\n    """Mine."""\n    return "x"\n')
    write_tool(
        tmp_path, "b", '@tool\ndef end_call() -> str:\n    """Not yours."""\n    return "x"\n'
    )
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        assert [failure.file.name for failure in bridge.tools.current.failures] == ["b.py"]
        async with dialled(bridge) as millis:
            await millis.asked(1, "hello")
    (request,) = await openai.requests()
    tools = {t["function"]["name"]: t["function"]["description"] for t in request["body"]["tools"]}
    assert set(tools) == {"mine", "end_call"}
    assert tools["end_call"].startswith("End the phone call")


@pytest.mark.parametrize("speaks", ["interrupt", "request"])
async def test_a_caller_who_speaks_before_the_end_keeps_the_call_and_the_model_is_told(
    tmp_path: Path, openai: FakeOpenAI, speaks: str
) -> None:
    await openai.script(asking(tool_call("end_call")), BYE, {"say": "Go on."}, {"say": "Sure."})
    async with calling(tmp_path, openai, goodbye_timeout=0.01) as millis:
        await millis.asked(1, "bye")
        if speaks == "interrupt":
            await millis.interrupt(1)
        assert await millis.asked(2, "bye", "Goodbye then.", "wait") == "Go on."
        await played(millis, 1)
        await played(millis, 2)
        await millis.asked(3, "bye", "Goodbye then.", "wait", "Go on.", "well")
        assert {message["type"] for message in millis.got} == {"stream_response"}
    assert list(results((await openai.requests())[2]).values()) == [WITHDRAWN]


async def test_a_hang_up_before_the_end_leaves_nothing_behind(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("end_call")), BYE)
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.asked(1, "bye")
        async with dialled(bridge) as millis:  # and the bridge goes on
            assert await millis.asked(1, "hello")


async def test_when_the_model_says_nothing_the_bridge_says_goodbye_itself(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("end_call")), [{"finish": "stop"}, {"done": True}])
    async with calling(tmp_path, openai) as millis:
        assert await millis.asked(1, "bye") == BUILT_IN["goodbye"]
        await played(millis, 1)
        assert (await millis.next())["type"] == "end_call"


async def test_a_goodbye_said_before_the_tool_call_is_enough(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(
        asking(tool_call("end_call"), say="Goodbye!"), [{"finish": "stop"}, {"done": True}]
    )
    async with calling(tmp_path, openai) as millis:
        assert await millis.asked(1, "bye") == "Goodbye!"
        await played(millis, 1)
        assert (await millis.next())["type"] == "end_call"


async def test_a_turn_that_fails_after_the_tool_does_not_end_the_call(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("end_call")), {"status": 400}, {"say": "Here I am."})
    async with calling(tmp_path, openai, goodbye_timeout=0.01) as millis:
        assert await millis.asked(1, "bye") == BUILT_IN["apology"]
        await played(millis, 1)
        assert await millis.asked(2, "bye", BUILT_IN["apology"], "hello?") == "Here I am."
        assert {message["type"] for message in millis.got} == {"stream_response"}


async def test_an_interrupted_turn_does_not_end_the_call(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(
        asking(tool_call("end_call")), [{"text": "Good"}, {"stall": True}], {"say": "Yes?"}
    )
    async with bridge_running(tmp_path, openai.base_url, goodbye_timeout=0.01) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "bye")
            await watch.until("ToolFinished", name="end_call", outcome="ok")
            await millis.first_word(1)
            await millis.interrupt(1)
            await played(millis, 1)
            assert await millis.asked(2, "bye", "Good", "wait") == "Yes?"
            assert {message["type"] for message in millis.got} == {"stream_response"}
    assert list(results((await openai.requests())[2]).values()) == [WITHDRAWN]
