"""A model that says what a script says, and remembers what it was asked with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from bridge.agent.message import Listener
from bridge.agent.pieces import last_piece, pieces_of

MODEL_NAME = "scripted"


@dataclass(frozen=True, slots=True)
class ScriptedMessage:
    """One message of the model's: words, calls of tools, or both."""

    says: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Name and arguments of each."""
    after: float = 0.0
    """Seconds from asking to the first token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the model was asked with, once."""

    history: list[dict[str, Any]]
    """What it read, as OpenAI writes it: `role`, `content`, `tool_calls`. The first is the system
    prompt."""
    tools: dict[str, dict[str, Any]]
    """The tools that it might have used: the JSON schema of the arguments, by name."""


class ScriptEnded(Exception):
    """The model is asked for one message more than the script has."""

    status_code = 400  # as servers say it: the request is to blame, and asking again is no use


class ScriptedModel(BaseChatModel):
    """A chat model that gives the messages it was given, in their order, whoever calls.

    A draft that the bridge drops takes its message along, so do not let it think ahead.
    """

    _script: list[ScriptedMessage] = PrivateAttr(default_factory=list)
    _asked: list[Asked] = PrivateAttr(default_factory=list)

    def __init__(self, script: Iterable[ScriptedMessage] = ()) -> None:
        super().__init__(callbacks=[Listener()])
        self._script.extend(script)

    def says(self, text: str, *, after: float = 0.0) -> Self:
        """Add a message of words. `after`: seconds until its first word."""
        return self.add(ScriptedMessage(text, after=after))

    def uses(
        self, tool: str, arguments: Mapping[str, Any] | None = None, *, says: str = ""
    ) -> Self:
        """Add a message that calls a tool, perhaps with words before it."""
        return self.add(ScriptedMessage(says, ((tool, arguments or {}),)))

    def add(self, message: ScriptedMessage) -> Self:
        """Add any message."""
        self._script.append(message)
        return self

    @property
    def asked(self) -> list[Asked]:
        """What it was asked with, time by time; also when the script had ended."""
        return self._asked

    @property
    def left(self) -> list[ScriptedMessage]:
        """What it was not asked for yet."""
        return self._script[len(self._asked) :]

    @property
    def missing(self) -> int:
        """How many messages it was asked for that the script does not have."""
        return max(0, len(self._asked) - len(self._script))

    # ── LangChain's side ─────────────────────────────────────────────────────────────────────────

    @property
    def _llm_type(self) -> str:
        return MODEL_NAME

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Take note of the tools: which of them are used is in the script."""
        del tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        message = self._next(messages, kwargs.get("tools", ()))
        await asyncio.sleep(message.after)
        for piece in pieces_of(message.says, message.calls, f"call_{len(self._asked)}"):
            yield ChatGenerationChunk(message=piece)
            await asyncio.sleep(0)
        reason = "tool_calls" if message.calls else "stop"
        yield ChatGenerationChunk(message=last_piece(reason))

    def _next(
        self, messages: Sequence[BaseMessage], tools: Iterable[Mapping[str, Any]]
    ) -> ScriptedMessage:
        history = convert_to_openai_messages(messages)
        offered = (tool["function"] for tool in tools)
        self._asked.append(
            Asked(history, {tool["name"]: tool.get("parameters", {}) for tool in offered})
        )
        if self.missing:
            raise ScriptEnded(f"message {len(self._asked)} of {len(self._script)}")
        return self._script[len(self._asked) - 1]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("scripted messages are streamed")
