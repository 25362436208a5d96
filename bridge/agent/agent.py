"""LangChain's own agent over one toolbox: compiled once, shared by all calls."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast, runtime_checkable

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    MessageLikeRepresentation,
    SystemMessage,
)
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.tools import BaseTool

from bridge.agent.chain import ModelChain, NamedModel
from bridge.agent.conversation import lines_of, messages_of
from bridge.agent.modelcalls import Direct, ModelCalls
from bridge.agent.policy import policy_of
from bridge.agent.reply import Limits, Reply
from bridge.agent.toolcalls import ToolCalls
from bridge.agent.tracing import keep_in_task, tracing
from bridge.call.events import CallData
from bridge.call.ports import Brief, Voice
from bridge.errors import AgentError, BridgeError

NO_OVERRIDES: Mapping[str, Mapping[str, Any]] = {}
"""What bridge.toml says of tools, by name, over what their own policies say."""


class SystemPrompt(Protocol):
    """Whoever writes the system prompt of a call."""

    def system(self, call: CallData, now: datetime, memory: str = "") -> str:
        """Render it; never raises. `memory` is JSON of an earlier call, to be fenced as data."""


@runtime_checkable
class CanWarm(Protocol):
    """A chat model that can connect before it is asked."""

    async def warm(self) -> None:
        """Have a connection open. Never fails."""


class LangChainAgent:
    """The agent over one toolbox. A turn keeps the agent it began with."""

    def __init__(
        self,
        chain: Sequence[NamedModel],
        tools: Sequence[BaseTool],
        prompts: Callable[[], SystemPrompt],
        limits: Limits,
        overrides: Mapping[str, Mapping[str, Any]] = NO_OVERRIDES,
        middleware: Sequence[AgentMiddleware[Any, Any, Any]] = (),
    ) -> None:
        keep_in_task()
        policies = {tool.name: policy_of(tool, overrides.get(tool.name)) for tool in tools}
        self._chain = ModelChain(chain)
        self._prompts = prompts
        self.limits = limits
        self.overrides = overrides
        past_graph = not middleware and not tracing()
        self._asked_with = _asked_with(chain, tools, limits) if past_graph else None
        calls = ModelCalls(self._chain, self._asked_with)
        self._graph: Any = create_agent(
            chain[0].chat,
            tools=list(tools),
            middleware=[ToolCalls(policies), *middleware, calls],
            context_schema=Reply,
        )
        self._newest = ""
        """The newest system prompt: calls to which the same is said share its text."""
        # The caps in `Limits` end a loop long before; this stops a bug in them.
        self._config: RunnableConfig = {"recursion_limit": 4 * limits.max_model_calls + 4}

    async def reply(self, brief: Brief, voice: Voice) -> None:
        """Answer through `voice`.

        Raises:
            AgentError: there is no answer, or only a part of one.
        """
        reply = Reply(brief, voice, self.limits)
        system = self._system(brief)
        try:
            if self._asked_with is not None:
                lines = [system, *lines_of(brief.history)]
                reply.first = await self._answer(lines, self._asked_with, reply)
                if not reply.first.tool_calls:
                    return
            messages = [system, *messages_of(brief.history)]
            await self._graph.ainvoke({"messages": messages}, self._config, context=reply)
        except BridgeError:
            raise
        except Exception as error:
            raise AgentError("agent", f"{type(error).__name__}: {error}") from error

    async def warm(self, brief: Brief) -> None:
        """Have the system prompt written, and a connection to the first model open. Never fails."""
        self._system(brief)
        first = next(iter(self._chain)).chat
        if isinstance(first, CanWarm):
            await first.warm()

    async def _answer(
        self,
        messages: Sequence[MessageLikeRepresentation],
        asked_with: dict[str, Any],
        reply: Reply,
    ) -> AIMessage:
        """The model's first message, without the graph: most are answers, and need no more."""
        reply.model_calls += 1
        return await self._chain.message(
            lambda model: cast("Direct", model).answer(messages, **asked_with), reply
        )

    def _system(self, brief: Brief) -> AnyMessage:
        """The system prompt. Its clock goes by the minute: until the next it stays the same."""
        prompts, minute = self._prompts(), int(time.time() // 60)
        told: _Told | None = brief.kept.get(_TOLD)
        if told is None or not told.holds(prompts, brief, minute):
            now = datetime.fromtimestamp(60 * minute).astimezone()
            text = prompts.system(brief.call, now, brief.memory)
            if text != self._newest:
                self._newest = text
            message = SystemMessage(content=self._newest)
            told = brief.kept[_TOLD] = _Told(prompts, brief.call, brief.memory, minute, message)
        return told.message


def _asked_with(
    chain: Sequence[NamedModel], tools: Sequence[BaseTool], limits: Limits
) -> dict[str, Any] | None:
    """What the graph's model calls say beside the messages; None if it must make them itself."""
    if limits.max_model_calls < 2 or limits.max_tool_calls < 1:
        return None  # then the model is told at once that it may use no tools
    if not all(isinstance(model.chat, Direct) for model in chain):
        return None
    if not tools:
        return {}
    return dict(cast("RunnableBinding[Any, Any]", chain[0].chat.bind_tools(tools)).kwargs)


@dataclass(frozen=True, slots=True)
class _Told:
    """A system prompt, with what it was made of."""

    prompts: SystemPrompt
    call: CallData
    memory: str
    minute: int
    message: SystemMessage

    def holds(self, prompts: SystemPrompt, brief: Brief, minute: int) -> bool:
        """Whether it would be the same now."""
        return (
            self.prompts is prompts
            and self.call is brief.call
            and self.memory == brief.memory
            and self.minute == minute
        )


_TOLD = "system prompt"
