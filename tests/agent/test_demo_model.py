"""The demo model inside LangChain's own agent, with real tools and no network."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, NoReturn

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from pydantic import ValidationError

from bridge.agent.demo import DemoChatModel


@tool
def current_time() -> str:
    """Tell the current time."""
    return "It is 12:30."


@tool
async def get_weather(city: Annotated[str, "The city to look up, e.g. Paris"]) -> dict[str, Any]:
    """Get the weather in a city."""
    return {"city": city, "sky": "clear", "degrees_celsius": 21}


@tool
def add_numbers(a: Annotated[float, "First number"], b: Annotated[float, "Second number"]) -> float:
    """Add two numbers."""
    return a + b


@tool
def look_up_order(
    order_id: Annotated[str, "The order number"], detail: Literal["status", "items"] = "status"
) -> str:
    """Look up an order by its number."""
    return f"The {detail} of order {order_id}: fine."


TOOLS = [current_time, get_weather, add_numbers, look_up_order]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the demo model needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def model() -> DemoChatModel:
    return DemoChatModel(word_gap=0)


async def turn(said: str, past: list[BaseMessage] | None = None) -> list[BaseMessage]:
    agent: Any = create_agent(model(), TOOLS, system_prompt="You answer the phone.")
    state = await agent.ainvoke({"messages": [*(past or []), HumanMessage(said)]})
    messages: list[BaseMessage] = state["messages"]
    return messages


async def chunks(said: str, **options: Any) -> list[AIMessageChunk]:
    bound = model().bind_tools(TOOLS, **options)
    return [chunk async for chunk in _as_chunks(bound.astream([HumanMessage(said)]))]


async def _as_chunks(stream: AsyncIterator[AIMessage]) -> AsyncIterator[AIMessageChunk]:
    async for chunk in stream:
        assert isinstance(chunk, AIMessageChunk)
        yield chunk


async def test_an_agent_streams_the_words_of_a_tool_round_trip() -> None:
    agent: Any = create_agent(model(), TOOLS)
    said: list[str] = []
    results: list[str] = []
    question = {"messages": [HumanMessage("What's the weather in Paris?")]}
    async for message, metadata in agent.astream(question, stream_mode="messages"):
        if isinstance(message, ToolMessage):
            results.append(message.text)
        elif isinstance(message, AIMessageChunk) and metadata["langgraph_node"] == "model":
            said.append(message.text)

    assert [json.loads(result)["city"] for result in results] == ["Paris"]
    assert "".join(said) == (
        "This is the built-in demo model. Here is what I found: "
        "city: Paris, sky: clear, degrees celsius: 21."
    )
    assert len([word for word in said if word]) > 10


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("what time is it?", "It is 12:30."),
        ("add 2 and 3.5", "5.5."),
        ("where is my order A-1234", "The status of order A-1234: fine."),
        ("which items are in order 77", "The items of order 77: fine."),
    ],
)
async def test_each_tool_is_called_with_what_was_said(said: str, found: str) -> None:
    assert (await turn(said))[-1].text.endswith(f"Here is what I found: {found}")


async def test_two_requests_are_two_calls_in_one_message() -> None:
    _, request, *_, last = await turn("What time is it and what is the weather in Oslo?")

    assert isinstance(request, AIMessage)
    assert [call["name"] for call in request.tool_calls] == ["current_time", "get_weather"]
    assert last.text.endswith("It is 12:30. Also, city: Oslo, sky: clear, degrees celsius: 21.")


async def test_a_missing_argument_is_asked_for_and_its_answer_completes_the_call() -> None:
    asked = await turn("what's the weather?")
    answered = await turn("Rome", asked)
    thanked = await turn("thanks", answered)

    assert asked[-1].text == "This is the built-in demo model. What city?"
    assert answered[-1].text.startswith("Here is what I found: city: Rome")
    assert thanked[-1].text == "You're welcome."


async def test_ids_are_unique_in_a_conversation_and_the_same_in_the_same_one() -> None:
    async def ids() -> list[str | None]:
        messages = await turn("what time is it and what time is it in order 12")
        for _ in range(2):
            messages = await turn("what time is it", messages)
        used = [call for one in messages if isinstance(one, AIMessage) for call in one.tool_calls]
        return [call["id"] for call in used]

    first = await ids()

    assert len(first) == len(set(first)) >= 3
    assert first == await ids()


async def test_an_id_is_not_used_again_after_a_call_that_left_no_trace() -> None:
    bound = model().bind_tools(TOOLS)
    cut_short = await bound.ainvoke([HumanMessage("what time is it")])
    again = await bound.ainvoke([HumanMessage("what time is it"), HumanMessage("what time is it")])

    assert cut_short.tool_calls[0]["id"] != again.tool_calls[0]["id"]


async def test_words_come_one_by_one_and_the_last_chunk_says_why_it_ends() -> None:
    *words, last = await chunks("thanks")

    assert [word.content for word in words][:4] == ["This ", "is ", "the ", "built-in "]
    assert not any(word.response_metadata for word in words)
    assert (last.content, last.chunk_position) == ("", "last")
    assert last.response_metadata == {"finish_reason": "stop", "model_name": "millis-bridge-demo"}


async def test_tool_calls_come_in_pieces_as_from_openai() -> None:
    *pieces, last = await chunks("what time is it and what is the weather in Ho Chi Minh City")
    flat = [part for piece in pieces for part in piece.tool_call_chunks]

    named = [(part["index"], part["name"], part["args"]) for part in flat if part["name"]]
    assert named == [(0, "current_time", ""), (1, "get_weather", "")]
    assert all(part["id"] is None for part in flat if not part["name"])
    arguments = [part["args"] or "" for part in flat if part["index"] == 1]
    assert len(arguments) > 3
    assert json.loads("".join(arguments)) == {"city": "Ho Chi Minh City"}
    assert all(piece.content == "" for piece in pieces)
    assert last.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("said", ["thanks", "weather in Rome and Oslo", "tell me a long story"])
async def test_the_same_words_get_the_same_chunks(said: str) -> None:
    first, second = [
        [chunk.model_dump(exclude={"id"}) for chunk in await chunks(said)] for _ in range(2)
    ]

    assert first == second


@pytest.mark.parametrize("said", ["hello", "what's the weather", "add 1 and 2", "café? 你好"])
async def test_streaming_or_not_the_answer_is_the_same(said: str) -> None:
    first, *rest = await chunks(said)
    for chunk in rest:
        first += chunk
    bound = model().bind_tools(TOOLS)
    whole = await bound.ainvoke([HumanMessage(said)])
    blocking = bound.invoke([HumanMessage(said)])

    for other in (whole, blocking):
        assert first.content == other.content
        assert first.tool_calls == other.tool_calls
        assert first.response_metadata == other.response_metadata


@pytest.mark.parametrize(
    ("choice", "said", "called"),
    [
        (None, "what time is it", ["current_time"]),
        ("auto", "hello", []),
        ("none", "what time is it", []),
        ("none", "what's the weather", []),
        ("any", "so how late", ["current_time"]),
        ("required", "so how late", ["current_time"]),
        ("look_up_order", "what time is it, 12", ["look_up_order"]),
        ({"type": "function", "function": {"name": "add_numbers"}}, "2 3", ["add_numbers"]),
        ("unknown", "what time is it", []),
        (7, "what time is it", ["current_time"]),
    ],
)
async def test_tool_choice_is_honoured(choice: object, said: str, called: list[str]) -> None:
    message = await model().bind_tools(TOOLS, tool_choice=choice).ainvoke([HumanMessage(said)])

    assert [call["name"] for call in message.tool_calls] == called
    assert bool(message.text) is not bool(called)


async def test_one_tool_at_a_time_if_so_wished() -> None:
    bound = model().bind_tools(TOOLS, parallel_tool_calls=False)
    message = await bound.ainvoke([HumanMessage("the time and the weather in Rome")])

    assert [call["name"] for call in message.tool_calls] == ["current_time"]


async def test_a_handler_hears_every_word() -> None:
    class Ear(AsyncCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[str] = []

        async def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **_: Any) -> None:
            self.heard.append(str(token))

    ear = Ear()
    message = await model().ainvoke([HumanMessage("thanks")], {"callbacks": [ear]}, stream=True)

    assert "".join(ear.heard) == message.text == "This is the built-in demo model. You're welcome."


async def test_a_caller_can_interrupt_between_two_words() -> None:
    heard: list[str] = []
    begun = asyncio.Event()

    async def listen() -> None:
        async for chunk in DemoChatModel(word_gap=30).astream([HumanMessage("tell me a story")]):
            heard.append(chunk.text)
            begun.set()

    listening = asyncio.create_task(listen())
    await begun.wait()
    listening.cancel()
    await asyncio.wait({listening})

    assert listening.cancelled()
    assert heard == ["This "]


async def test_other_tasks_run_between_words_also_without_a_gap() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    words = await chunks("count to twenty")
    ticking.cancel()
    await asyncio.wait({ticking})

    assert ticks >= len(words) - 1


@pytest.mark.parametrize(
    "said",
    [
        "and " * 500,
        "weather " * 500,
        "remind me to " * 200,
        "1 " * 2000,
        "a-" * 2000,
        "a.a@" * 2000,
        '"a ' * 2000,
        "😀 \ud800 \x00 weather in Par\x00is",
        "(" * 5000,
    ],
)
async def test_hostile_words_get_an_answer_soon(said: str) -> None:
    async with asyncio.timeout(20):
        assert await chunks(said)


@pytest.mark.parametrize("messages", [[SystemMessage("Be kind.")], [HumanMessage([])]])
async def test_an_opening_is_a_greeting(messages: list[BaseMessage]) -> None:
    message = await model().ainvoke(messages)

    assert message.text.startswith("Hello! This is the built-in demo model of millis-bridge.")


@pytest.mark.parametrize("gap", [-1, float("nan"), float("inf")])
def test_a_gap_is_a_number_of_seconds(gap: float) -> None:
    with pytest.raises(ValidationError):
        DemoChatModel(word_gap=gap)


def test_it_names_itself() -> None:
    assert model()._llm_type == "millis-bridge-demo"
