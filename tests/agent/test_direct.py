"""A plain answer goes past LangChain's graph, and is the one that the graph would have given."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import StructuredTool

from bridge.agent import agent as agent_module
from bridge.agent.agent import LangChainAgent
from bridge.agent.chain import NamedModel
from bridge.agent.lean import LeanChatOpenAI
from bridge.agent.lean_request import Described
from bridge.agent.message import listening
from bridge.agent.reply import Limits
from bridge.call.events import CallData
from bridge.call.ports import Brief
from bridge.protocol import Utterance
from tests.doubles import RecordingVoice
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import lean_model

ANSWER = [{"tokens": ["Seven ", "each", "."]}, {"finish": "stop"}, {"usage": True}, {"done": True}]
CALL = [
    {"text": "One moment. "},
    {"tool_call": {"id": "c1", "name": "price", "arguments": '{"of": "shoes"}'}, "chunked": 3},
    {"finish": "tool_calls"},
    {"done": True},
]
ASKED = [SystemMessage("Be brief."), HumanMessage("Prices?")]


async def look_up(of: str) -> str:
    """Look up a price."""
    return f"{of}: 7"


def made(**more: Any) -> StructuredTool:
    return StructuredTool.from_function(coroutine=look_up, name="price", **more)


price = made()


class Prompts:
    def system(self, *_: object) -> str:
        return "Be brief."


class Heard:
    """Stands in for a message of the model's, and notes what it is told."""

    def __init__(self) -> None:
        self.words = ""
        self.chunks = 0

    async def hear_words(self, text: str) -> None:
        self.words += text

    async def hear(self, message: Any) -> None:
        self.chunks += 1
        self.words += message.text


@asynccontextmanager
async def agents(fake: FakeOpenAI) -> AsyncIterator[LangChainAgent]:
    await fake.reset()
    async with lean_model(fake.base_url, stream_usage=True) as model:
        yield LangChainAgent([NamedModel("m", model)], [price], Prompts, Limits())


def brief(*said: str) -> Brief:
    return Brief(CallData(), tuple(Utterance("user", line) for line in said))


@pytest.mark.parametrize("script", [ANSWER, CALL], ids=["an answer", "a tool call"])
async def test_it_is_the_message_that_langchain_gives(
    fake_openai: FakeOpenAI, script: list[Any]
) -> None:
    await fake_openai.reset()
    await fake_openai.script(script, script)
    async with lean_model(fake_openai.base_url, stream_usage=True, streaming=True) as model:
        usual = await model.ainvoke(ASKED)
        heard = Heard()
        before = listening.set(cast("Any", heard))
        direct = await model.answer(ASKED)
        listening.reset(before)

    for message in (usual, direct):
        message.id = None
    assert direct == usual
    assert heard.words == usual.text
    first, second = await fake_openai.requests()
    assert first["body"] == second["body"]


async def test_both_ways_ask_and_speak_and_do_the_same(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[Any]] = []
    for langchains_own in (False, True):
        monkeypatch.setattr(agent_module, "tracing", lambda own=langchains_own: own)
        async with agents(fake_openai) as agent:
            await fake_openai.script(CALL, ANSWER, {"say": "Bye."})
            ear = RecordingVoice()
            await agent.reply(brief("Prices?"), ear)
            await agent.reply(brief("Thanks."), ear)
        asked.append([request["body"] for request in await fake_openai.requests()])
        assert "".join(ear.said) == "One moment. Seven each.Bye."
        assert ear.tools == [("price", "ok")]

    (past, through) = asked
    assert past == through
    assert [len(body["messages"]) for body in past] == [2, 4, 2]
    assert past[1]["messages"][-1]["content"] == "shoes: 7"
    assert all(body["tools"] for body in past)


async def test_no_model_call_goes_through_langchains_bookkeeping(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("this takes a millisecond")

    async with agents(fake_openai) as agent:
        monkeypatch.setattr(LeanChatOpenAI, "agenerate_prompt", never)
        await fake_openai.script(CALL, ANSWER)
        ear = RecordingVoice()
        await agent.reply(brief("Prices?"), ear)
    assert "".join(ear.said) == "One moment. Seven each."


async def test_a_plain_answer_does_not_run_the_graph_and_no_thread(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agents(fake_openai) as agent:
        await fake_openai.script(ANSWER)
        monkeypatch.setattr(agent, "_graph", None)

        await agent.reply(brief("Prices?"), RecordingVoice())

    loop = asyncio.get_running_loop()
    assert getattr(loop, "_default_executor", None) is None


async def test_a_tool_in_the_graph_needs_no_thread_of_langsmiths(fake_openai: FakeOpenAI) -> None:
    async with agents(fake_openai) as agent:
        await fake_openai.script(CALL, ANSWER)
        await agent.reply(brief("Prices?"), RecordingVoice())

    loop = asyncio.get_running_loop()
    assert getattr(loop, "_default_executor", None) is None


async def test_a_copy_that_is_set_to_something_else_asks_so(fake_openai: FakeOpenAI) -> None:
    await fake_openai.reset()
    await fake_openai.script(ANSWER, ANSWER, ANSWER)
    async with lean_model(fake_openai.base_url, temperature=0.1) as model:
        assert [chunk async for chunk in model.astream(ASKED)]
        copied = model.model_copy(update={"temperature": 0.9})
        assert [chunk async for chunk in copied.astream(ASKED)]
        assert [chunk async for chunk in model.astream(ASKED)]
        await copied.aclose()
    asked = await fake_openai.requests()
    assert [request["body"]["temperature"] for request in asked] == [0.1, 0.9, 0.1]


def test_a_tool_is_described_once_and_forgotten_with_the_tool() -> None:
    described = Described()

    mine = made()
    assert described.of(mine) is described.of(mine)
    other = made()
    assert described.of(other) is not described.of(mine)
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
    assert len(described._known) == 1


def test_what_only_stock_can_describe_is_left_to_it() -> None:
    described = Described()
    odd = made(extras={"defer_loading": True})

    assert described.of(odd) is odd
    assert described.of({"type": "web_search"}) == {"type": "web_search"}


async def test_without_a_listener_it_answers_like_any_model(fake_openai: FakeOpenAI) -> None:
    await fake_openai.reset()
    await fake_openai.script(ANSWER)
    async with lean_model(fake_openai.base_url, streaming=True) as model:
        assert isinstance(model, LeanChatOpenAI)
        answer = await model.answer(ASKED)

    assert isinstance(answer, AIMessage)
    assert answer.text == "Seven each."
