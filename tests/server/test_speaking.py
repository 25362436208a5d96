"""What of a turn is spoken: the text of the agent's own messages, once, and nothing else."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from bridge.agent.agent import LangChainAgent
from bridge.agent.chain import NamedModel
from bridge.agent.message import Listener
from bridge.agent.reply import Limits
from bridge.call.events import CallData
from bridge.call.ports import Brief
from bridge.protocol import Utterance
from tests.doubles import RecordingVoice
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Wire, asking, bridge_running, dialled, noted, tool_call, write_tool

T = TypeVar("T")

PRICE = '''
@tool
async def price(of: str) -> str:
    """Look up a price."""
    return f"canary-result for {of}"
'''

GATE = '''
@tool
async def gate() -> str:
    """Wait until somebody opens."""
    note("waiting", "here")
    await file_there("open")
    return "opened"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@asynccontextmanager
async def calling(folder: Path, openai: FakeOpenAI, **settings: Any) -> AsyncIterator[Wire]:
    """One call to a bridge of its own."""
    async with bridge_running(folder, openai.base_url, **settings) as bridge:
        async with dialled(bridge) as wire:
            yield wire


def _flushes(millis: Wire, stream_id: int = 1) -> list[str]:
    """Return what had been said at each flush."""
    said, flushes = "", []
    for frame in millis.of(stream_id):
        said += frame.get("content", "")
        if frame.get("flush"):
            flushes.append(said)
    return flushes


# ── what is not for the caller's ears ────────────────────────────────────────────────────────────


async def test_neither_arguments_nor_results_nor_thoughts_are_spoken(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    call = tool_call("price", of="canary-argument")
    await openai.script(
        [
            {"reasoning": "canary-reasoning"},
            {"text": "<think>canary-thought</think>Let me see."},
            {"tool_call": call, "chunked": 6},
            *asking(),
        ],
        [
            {"reasoning": "canary-reasoning"},
            {"tokens": list("<think>canary-thought</think>Seven.")},
            {"finish": "stop"},
            {"done": True},
        ],
    )
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "Let me see. Seven."
    assert "canary" not in str(millis.got)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_thoughts_are_not_spoken_however_they_are_cut(
    folder: Path, openai: FakeOpenAI, size: int
) -> None:
    text = "<think>canary: 1 < 2, </thin and so on</think>It is two."
    tokens = [text[i : i + size] for i in range(0, len(text), size)]
    await openai.script([{"tokens": tokens, "gap_ms": 1}, {"finish": "stop"}, {"done": True}])
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "1 + 1?") == "It is two."


ASKS_A_MODEL = '''
from contextlib import asynccontextmanager
import httpx2
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from bridge.agent.lean import LeanChatOpenAI

SETTINGS = dict(model="inner", base_url={base_url!r}, api_key="sk-inner", streaming=True)

@asynccontextmanager
async def lean():
    model = LeanChatOpenAI(**SETTINGS)
    yield model
    await model.aclose()

@asynccontextmanager
async def stock():
    async with httpx2.AsyncClient(verify=False) as client:
        yield ChatOpenAI(http_async_client=client, stream_chunk_timeout=None, **SETTINGS)

MODELS = dict(lean=lean, stock=stock)

@tool
async def ponder(kind: str, way: str) -> str:
    """Ask another model."""
    async with MODELS[kind]() as model:
        if way == "invoke":
            return (await model.ainvoke("ponder")).text
        if way == "stream":
            return "".join([chunk.text async for chunk in model.astream("ponder")])
        state = await create_agent(model).ainvoke({{"messages": [("user", "ponder")]}})
        return state["messages"][-1].text
'''


@pytest.mark.parametrize("kind", ["lean", "stock"])
@pytest.mark.parametrize("way", ["invoke", "stream", "agent"])
async def test_a_model_that_a_tool_asks_is_not_spoken(
    folder: Path, openai: FakeOpenAI, kind: str, way: str
) -> None:
    write_tool(folder, "ponder", ASKS_A_MODEL.format(base_url=openai.base_url))
    call = asking(tool_call("ponder", kind=kind, way=way), say="Let me think.")
    await openai.script(call, {"say": "That was it."}, match="fake")
    await openai.script({"say": "canary from inside", "gap_ms": 2}, match="inner")
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hm?") == "Let me think. That was it."
    *_, last = await openai.requests()
    assert last["body"]["messages"][-1]["content"] == "canary from inside"


# ── nothing twice ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("streamed", [True, False], ids=["word by word", "at once"])
async def test_a_message_repeated_in_a_turn_is_spoken_once(
    folder: Path, openai: FakeOpenAI, *, streamed: bool
) -> None:
    write_tool(folder, "price", PRICE)
    words = ["One ", "moment, ", "please."]
    say = {"tokens": words if streamed else ["".join(words)], "gap_ms": 1}
    again = [say, *asking(tool_call("price", of="hats"))]
    await openai.script(again, again, {"say": "Seven."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "One moment, please. Seven."


async def test_a_message_that_only_begins_like_an_earlier_one_is_spoken_whole(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    call = tool_call("price", of="hats")
    longer = [{"tokens": ["One moment", " longer", " please."]}, *asking(call)]
    await openai.script(
        asking(call, say="One moment now."),
        longer,
        [{"tokens": ["One ", "moment"]}, {"finish": "stop"}, {"done": True}],
    )
    async with calling(folder, openai) as millis:
        said = await millis.asked(1, "hats?")
    assert said == "One moment now. One moment longer please. One moment"


async def test_the_next_turn_may_say_the_same_again(folder: Path, openai: FakeOpenAI) -> None:
    await openai.script({"say": "Yes, of course."}, {"say": "Yes, of course."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "really?") == "Yes, of course."
        assert await millis.asked(2, "really?", "Yes, of course.", "really really?")
    assert millis.said(2) == "Yes, of course."


async def test_a_repeated_message_that_breaks_off_is_tried_again_as_nothing_was_heard_of_it(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    preamble = asking(tool_call("price", of="hats"), say="One moment.")
    await openai.script(preamble, [{"text": "One mom"}, {"cut": True}], {"say": "One more."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "One moment. One more."


# ── when it is spoken ────────────────────────────────────────────────────────────────────────────


async def test_words_before_a_tool_call_are_spoken_and_flushed_before_the_wait(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "gate", GATE)
    await openai.script(asking(tool_call("gate"), say="One moment"), {"say": "It is open."})
    async with calling(folder, openai) as millis:
        await millis.ask(1, "open?")
        while not _flushes(millis):
            await millis.next()
        assert _flushes(millis) == ["One moment"]
        (folder / "open").touch()
        assert await millis.answer(1) == "One moment It is open."
    assert noted(folder, "waiting") == ["here"]


async def test_words_are_spoken_while_the_rest_of_a_tool_call_is_still_coming(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script([{"text": "Let me see."}, {"stall": True}])
    async with calling(folder, openai) as millis:
        await millis.ask(1, "hats?")
        await millis.first_word(1)
        assert millis.said(1) == "Let me see."
        await millis.interrupt(1)
        await millis.settled()


@pytest.mark.parametrize("first", ["One moment.", "One moment. ", "One moment.\n"])
async def test_the_words_of_two_messages_do_not_run_together(
    folder: Path, openai: FakeOpenAI, first: str
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script(asking(tool_call("price", of="hats"), say=first), {"say": "It is seven."})
    async with calling(folder, openai) as millis:
        said = await millis.asked(1, "hats?")
    assert said.split() == ["One", "moment.", "It", "is", "seven."]
    assert "  " not in said


async def test_the_first_clause_is_flushed_and_nothing_else(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script({"say": "Well then, let me see, it is open. Until six, I think."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "open?")
    assert _flushes(millis) == ["Well then,"]


# ── models that do not stream ────────────────────────────────────────────────────────────────────


class Whole(BaseChatModel):
    """Gives each answer whole."""

    answers: list[AIMessage]
    asked: list[list[BaseMessage]] = []  # noqa: RUF012 - pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "whole"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.asked.append(messages)
        return ChatResult(generations=[ChatGeneration(message=self.answers[len(self.asked) - 1])])


class Silent:
    """A system prompt."""

    def system(self, call: CallData, now: datetime, memory: str = "") -> str:
        return "Be brief."


@tool
async def weather(town: str) -> str:
    """Look up the weather."""
    return f"rain in {town}"


async def _spoken(*answers: AIMessage) -> tuple[RecordingVoice, Sequence[list[BaseMessage]]]:
    model = Whole(answers=list(answers), callbacks=[Listener()])
    agent = LangChainAgent([NamedModel("whole", model)], [weather], Silent, Limits())
    voice = RecordingVoice()
    await agent.reply(Brief(CallData(), (Utterance("user", "weather?"),)), voice)
    return voice, model.asked


async def test_an_answer_that_comes_whole_is_spoken_once() -> None:
    voice, _ = await _spoken(AIMessage("It rains."))
    assert voice.said == ["It rains."]
    assert voice.finished == [False]


async def test_of_an_answer_in_blocks_only_the_text_is_spoken() -> None:
    blocks: list[str | dict[Any, Any]] = [
        {"type": "reasoning", "reasoning": "canary"},
        {"type": "text", "text": "It "},
        {"type": "text", "text": "rains."},
    ]
    voice, _ = await _spoken(AIMessage(content=blocks))
    assert voice.said == ["It rains."]


async def test_a_whole_message_with_a_tool_call_is_spoken_before_the_tool_runs() -> None:
    call = {"name": "weather", "args": {"town": "Ulm"}, "id": "w1"}
    preamble = AIMessage("Let me look.", tool_calls=[call])
    again = AIMessage("Let me look.", tool_calls=[{**call, "id": "w2"}])
    voice, asked = await _spoken(preamble, again, AIMessage("It rains."))
    assert voice.said == ["Let me look.", "It rains."]
    assert voice.finished == [True, True, False]
    assert [line.text for line in asked[-1] if line.type == "tool"] == ["rain in Ulm"] * 2


async def test_a_whole_message_with_arguments_that_are_not_json_runs_no_tool() -> None:
    bad = {"name": "weather", "args": '{"town": "Ul', "id": "w1", "error": None}
    voice, asked = await _spoken(
        AIMessage("", invalid_tool_calls=[{**bad, "type": "invalid_tool_call"}]),
        AIMessage("Once more."),
    )
    assert voice.said == ["Once more."]
    assert "valid JSON" in asked[-1][-1].text
