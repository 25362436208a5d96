"""The bridge with LangChain as it comes: stock `ChatOpenAI`, and `stream_mode="messages"`.

Everything else is the bridge's own: socket, calls, turns, tools, speech, record. So what lies
between it and the bridge is what `bridge/agent` does to LangChain.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import langsmith
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI

import bridge.personas
from bridge.agent.agent import NO_OVERRIDES, LangChainAgent
from bridge.agent.chain import NamedModel
from bridge.agent.conversation import messages_of
from bridge.agent.policy import policy_of
from bridge.agent.reply import Limits, Reply
from bridge.agent.toolcalls import ToolCalls
from bridge.call.ports import Brief, Voice
from bridge.cli import main


class StockAgent(LangChainAgent):
    """As most would write it: what the graph streams is spoken, if it is the model's."""

    def __init__(
        self,
        chain: Sequence[NamedModel],
        tools: Sequence[BaseTool],
        prompts: Any,
        limits: Limits,
        overrides: Mapping[str, Mapping[str, Any]] = NO_OVERRIDES,
        middleware: Sequence[Any] = (),
    ) -> None:
        super().__init__(chain, tools, prompts, limits, overrides, middleware)
        langsmith.set_runtime_overrides()  # as it comes
        policies = {tool.name: policy_of(tool) for tool in tools}
        self._stock: Any = create_agent(
            chain[0].chat, list(tools), middleware=[ToolCalls(policies)], context_schema=Reply
        )

    async def reply(self, brief: Brief, voice: Voice) -> None:
        """Answer through `voice`."""
        brief.kept.clear()
        state = {"messages": [self._system(brief), *messages_of(brief.history)]}
        context = Reply(brief, voice, self.limits)
        stream = self._stock.astream(state, context=context, stream_mode="messages")
        async for message, about in stream:
            spoken = isinstance(message, AIMessageChunk) and about["langgraph_node"] == "model"
            if spoken and message.text:
                await voice.say(message.text)
        await voice.finish_message()


def _stock_model(name: str, *, temperature: float | None = None) -> NamedModel:
    return NamedModel(name, ChatOpenAI(model="fake", temperature=temperature))


if __name__ == "__main__":
    bridge.personas.LangChainAgent = StockAgent  # type: ignore[misc]
    bridge.personas.build_model = _stock_model
    main()
