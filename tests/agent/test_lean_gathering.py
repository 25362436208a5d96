"""Once speech is well ahead of the voice, words are gathered for a moment before they are read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.agent.lean import AHEAD, LeanChatOpenAI
from bridge.agent.lean_http import Body
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import lean_model

WORDS = [f"word{number:03} " for number in range(90)]
FIRST = AHEAD // len(WORDS[0])
SAID = {"tokens": WORDS, "gap_ms": 3}
FINISH: list[Any] = [{"finish": "stop"}, {"done": True}]


@pytest.fixture
async def lean(fake_openai: FakeOpenAI) -> AsyncIterator[LeanChatOpenAI]:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as model:
        yield model


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Each moment that is taken for gathering, in seconds."""
    moments: list[float] = []
    gather = Body.gather

    async def noted(body: Body, seconds: float) -> None:
        moments.append(seconds)
        await gather(body, seconds)

    monkeypatch.setattr(Body, "gather", noted)
    return moments


async def test_the_first_words_come_one_by_one_and_the_others_in_handfuls(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, gathered: list[float]
) -> None:
    await fake_openai.script([SAID, *FINISH])

    pieces = [chunk.text async for chunk in lean.astream("hi") if chunk.text]

    assert "".join(pieces) == "".join(WORDS)
    assert 0 < len(gathered) < (len(WORDS) - FIRST) / 2
    assert len(pieces) < len(WORDS) * 2 / 3


async def test_a_short_answer_is_never_held_up(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, gathered: list[float]
) -> None:
    await fake_openai.script([{"tokens": WORDS[:FIRST], "gap_ms": 3}, *FINISH])

    assert "".join([chunk.text async for chunk in lean.astream("hi")]) == "".join(WORDS[:FIRST])

    assert not gathered


async def test_after_words_a_tool_is_read_as_it_comes(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, gathered: list[float]
) -> None:
    call = {"tool_call": {"name": "weather", "arguments": '{"place": "Kyoto"}'}, "chunked": 1}
    pause = {"sleep_ms": 20}
    ending = [{"finish": "tool_calls"}, pause, {"usage": True}, {"done": True}]
    await fake_openai.script([SAID, call, pause, *ending])
    before = 0

    async for chunk in lean.astream("hi"):
        if chunk.tool_call_chunks:
            before = len(gathered)

    assert before, "there were moments while it spoke"
    assert len(gathered) == before


async def test_an_interrupt_while_words_gather_closes_the_request_at_once(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fake_openai.script([{"tokens": WORDS, "gap_ms": 20}, *FINISH])
    gathering = asyncio.Event()
    gather = Body.gather

    async def for_ever(body: Body, seconds: float) -> None:
        gathering.set()
        await gather(body, 60 * seconds + 600)

    monkeypatch.setattr(Body, "gather", for_ever)

    async def listen() -> None:
        async for _ in lean.astream("hi"):
            pass

    listening = asyncio.create_task(listen())
    await gathering.wait()
    listening.cancel()
    await asyncio.wait({listening})

    assert listening.cancelled()
    await fake_openai.wait("client_left")


async def test_the_connection_is_used_again(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, gathered: list[float]
) -> None:
    for _ in range(2):
        await fake_openai.script([SAID, *FINISH])
        text = "".join([chunk.text async for chunk in lean.astream("hi")])
        assert text == "".join(WORDS)

    assert gathered
    one, other = [request["connection"] for request in await fake_openai.requests()]
    assert one == other


async def test_a_server_that_dies_while_words_gather_is_noticed(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await fake_openai.script([{"tokens": WORDS, "gap_ms": 1}, {"reset": True}])

    with pytest.raises(Exception, match="Connection error"):
        _ = [chunk async for chunk in lean.astream("hi")]
