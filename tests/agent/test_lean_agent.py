"""`create_agent` does with lean what it does with stock."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool

from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import pairs

CALLS: list[Any] = [
    {"text": "One moment."},
    {"tool_call": {"id": "c1", "name": "price", "arguments": '{"of": "shoes"}'}, "chunked": 4},
    {"tool_call": {"id": "c2", "name": "price", "arguments": '{"of": "hats"}'}, "chunked": 2},
    {"finish": "tool_calls"},
    {"usage": "asked"},
    {"done": True},
]


@tool
async def price(of: str) -> str:
    """Look up a price."""
    return f"{of}: 7"


class Ear(AsyncCallbackHandler):
    """Hears the tokens."""

    run_inline = True

    def __init__(self) -> None:
        self.heard = ""

    async def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.heard += token


@pytest.mark.parametrize("kind", [0, 1], ids=["stock", "lean"])
async def test_an_agent_calls_tools_and_speaks(fake_openai: FakeOpenAI, kind: int) -> None:
    await fake_openai.reset()
    await fake_openai.script(CALLS, {"say": "Seven each."})
    ear = Ear()
    async with pairs(fake_openai.base_url) as makers:
        model = (await makers.make(streaming=True, stream_usage=True))[kind]
        agent: Any = create_agent(model, [price], system_prompt="Be brief.")

        state = await agent.ainvoke({"messages": [("user", "Prices?")]}, {"callbacks": [ear]})

    _, first, *results, last = state["messages"]
    assert isinstance(first, AIMessage)
    assert isinstance(last, AIMessage)
    assert [call["args"] for call in first.tool_calls] == [{"of": "shoes"}, {"of": "hats"}]
    assert [isinstance(result, ToolMessage) and result.content for result in results] == [
        "shoes: 7",
        "hats: 7",
    ]
    assert last.usage_metadata is not None
    assert last.response_metadata["finish_reason"] == "stop"
    assert ear.heard == "One moment.Seven each."
