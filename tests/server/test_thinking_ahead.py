"""Thinking ahead, over real sockets and a real model server."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    dialled,
    health,
    health_when,
    noted,
    tool_call,
    watched,
    write_tool,
)

TOOLS = '''
from bridge import policy
@policy(read_only=True)
@tool
async def look() -> str:
    """Look something up."""
    note("ran", "look")
    return "found"
@tool
async def book() -> str:
    """Book it."""
    note("ran", "book")
    return "booked"
'''


async def partial(millis: Wire, text: str, *, final: bool = True) -> None:
    data = {"session_id": "s", "transcript": text, "is_final": final}
    await millis.send({"type": "partial_transcript", "data": data})


async def test_an_answer_begun_ahead_goes_out_at_the_request(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(
        [
            {"sleep_ms": 350},
            {"text": "It is"},
            {"text": " five."},
            {"finish": "stop"},
            {"done": True},
        ]
    )
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await partial(millis, "What time is it")
        await asyncio.sleep(0.4)
        await millis.settled()
        assert millis.got == []
        began = time.perf_counter()
        await millis.ask(1, "What time is it?")
        await millis.first_word(1)
        waited = time.perf_counter() - began
        assert await millis.answer(1) == "It is five."
        assert waited < 0.3, "the model takes longer; the benchmark measures 10 ms"
        counts = (await health(bridge))["thinking_ahead"]
    assert counts == {"hit": 1, "miss": 0, "wasted_tokens": 0}
    assert len(await openai.requests()) == 1
    assert millis.endings(1) == 1


async def test_an_answer_that_is_still_coming_is_joined_in_the_middle(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    tokens = [f"w{n} " for n in range(40)]
    await openai.script([{"tokens": tokens, "gap_ms": 5}, {"finish": "stop"}, {"done": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await partial(millis, "count")
        await openai.wait("first_chunk_sent")
        await asyncio.sleep(0.05)
        assert await millis.asked(1, "Count!") == "".join(tokens)


async def test_another_line_drops_it_without_trace_and_closes_its_request(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "The wrong answer"}, {"stall": True}], match="what time")
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            await partial(millis, "what time")
            await openai.wait("first_chunk_sent")
            await asyncio.sleep(0.02)  # until its words are held
            assert await millis.asked(1, "do you deliver?") == "You said: do you deliver?"
            await openai.wait("client_left")
            await watch.until("TurnEnded", stream_id=1)
            counts = (await health(bridge))["thinking_ahead"]
        assert counts == {"hit": 0, "miss": 1, "wasted_tokens": 4}
    events = [
        (event["event"], event["data"]["stream_id"])
        for event in watch.events
        if event["event"] in ("TurnBegan", "TurnEnded")
    ]
    assert events == [("TurnBegan", 0), ("TurnEnded", 0), ("TurnBegan", 1), ("TurnEnded", 1)]
    assert {message["stream_id"] for message in millis.got} == {0, 1}
    (dropped, _) = await openai.requests()
    assert not dropped["finished"]


@pytest.mark.parametrize(("mode", "requests"), [("off", 0), ("final", 0), ("any", 1)])
async def test_a_transcript_that_is_not_final_begins_nothing_unless_the_setting_says_so(
    tmp_path: Path, openai: FakeOpenAI, mode: str, requests: int
) -> None:
    async with bridge_running(tmp_path, openai.base_url, think_ahead=mode) as bridge:
        async with dialled(bridge) as millis:
            await partial(millis, "what time", final=False)
            await millis.settled()
            await asyncio.sleep(0.03)
            assert len(await openai.requests()) == requests


async def test_off_means_off_for_final_transcripts_too(tmp_path: Path, openai: FakeOpenAI) -> None:
    async with bridge_running(tmp_path, openai.base_url, think_ahead="off") as bridge:
        async with dialled(bridge) as millis:
            await partial(millis, "what time")
            await millis.settled()
            await asyncio.sleep(0.03)
            assert await openai.requests() == []


async def test_reading_is_done_ahead_and_changing_waits_for_the_request(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "both", TOOLS)
    await openai.script(
        asking(tool_call("look")), asking(tool_call("book", "c2")), {"say": "Booked."}
    )
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await partial(millis, "book it")
        await openai.wait("finished", 2)
        await asyncio.sleep(0.05)
        assert noted(tmp_path, "ran") == ["look"]
        assert await millis.asked(1, "book it") == "Booked."
        assert noted(tmp_path, "ran") == ["look", "book"]


async def test_changing_is_never_done_by_an_answer_that_is_dropped(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "both", TOOLS)
    await openai.script(asking(tool_call("book")), match="book it")
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        for turn in range(1, 6):
            await openai.script(asking(tool_call("book")), match=f"book {turn}")
            await partial(millis, f"book {turn}")
            await openai.wait("finished", 2 * turn - 1)
            await asyncio.sleep(0.02)
            lines = [f"no {n}" for n in range(turn)]
            talk = [part for line in lines for part in (line, f"You said: {line}")]
            await millis.asked(turn, *talk, f"no {turn}")
        await asyncio.sleep(0.05)
        assert noted(tmp_path, "ran") == []
        assert (await health(bridge))["thinking_ahead"]["miss"] == 5


async def test_a_call_that_ends_takes_its_draft_along(tmp_path: Path, openai: FakeOpenAI) -> None:
    await openai.script([{"text": "Well"}, {"stall": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with dialled(bridge) as millis:
            await partial(millis, "what time")
            await openai.wait("first_chunk_sent")
        await openai.wait("client_left")
        await health_when(bridge, lambda body: body["calls"] == 0)


async def test_another_session_on_the_socket_drops_the_draft(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "Secret"}, {"stall": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.start(0, session="one")
        await millis.answer(0)
        await partial(millis, "hello")
        await openai.wait("first_chunk_sent")
        await millis.start(0, session="two")
        await openai.wait("client_left")
        assert await millis.asked(1, "hello") == "You said: hello"


async def test_a_flood_of_transcripts_costs_at_most_three_answers(  # A30
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    stalls: Any = {"steps": [{"stall": True}], "times": 100}
    await openai.script(stalls, match="word")
    async with bridge_running(tmp_path, openai.base_url, think_ahead="any") as bridge:
        async with dialled(bridge) as millis:
            for count in range(1, 300):
                await partial(millis, " ".join(["word"] * count), final=count % 10 == 0)
            await millis.settled()
            assert await millis.asked(1, "hello") == "You said: hello"
            assert (await health(bridge))["thinking_ahead"]["miss"] == 3
    assert len(await openai.requests()) <= 4
