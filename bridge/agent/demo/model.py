"""The demo model as LangChain sees it: a chat model that streams and calls tools."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from bridge.agent.demo.answering import Answer, answer
from bridge.agent.demo.schema import read_tools

MODEL_NAME = "millis-bridge-demo"
_ARGUMENT_PIECE = 12
"""Characters of a call's arguments in one chunk, about what OpenAI sends."""


class DemoChatModel(BaseChatModel):
    """A chat model without a model: it matches words to tools, and says that it is a demo.

    The same conversation always gets the same answer.
    """

    word_gap: float = Field(default=0.03, ge=0, allow_inf_nan=False)
    """Seconds between two words of a stream; 0 only lets other tasks run."""

    @property
    def _llm_type(self) -> str:
        return MODEL_NAME

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": MODEL_NAME}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer these tools; `tool_choice` takes what OpenAI's does.

        Raises:
            ValueError: something among them is not a tool.
        """
        chosen = {} if tool_choice is None else {"tool_choice": tool_choice}
        offered = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, **chosen, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        spoken = False
        for message in _chunks(_answer(messages, kwargs)):
            await asyncio.sleep(self.word_gap if spoken and message.content else 0)
            spoken = True
            yield ChatGenerationChunk(message=message)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        found = _answer(messages, kwargs)
        message = AIMessage(
            content=found.text,
            tool_calls=[tool_call(name=u.name, args=u.arguments, id=u.id) for u in found.uses],
            response_metadata=_metadata(found),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, **kwargs)


def _answer(messages: Sequence[BaseMessage], options: dict[str, Any]) -> Answer:
    return answer(
        messages,
        read_tools(options.get("tools")),
        choice=_choice(options.get("tool_choice")),
        parallel=options.get("parallel_tool_calls") is not False,
    )


def _choice(given: object) -> str:
    """OpenAI's and LangChain's ways of choosing, as one word."""
    match given:
        case None | False | "auto":
            return "auto"
        case True | "any" | "required":
            return "required"
        case {"function": {"name": str(name)}}:
            return name
        case str():
            return given
        case _:
            return "auto"


def _chunks(found: Answer) -> Iterator[AIMessageChunk]:
    """The answer as OpenAI would stream it: words, or calls in pieces, then the reason to end."""
    for word in re.findall(r"\s*\S+\s*", found.text):
        yield AIMessageChunk(content=word)
    for index, use in enumerate(found.uses):
        begun = tool_call_chunk(name=use.name, args="", id=use.id, index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[begun])
        arguments = json.dumps(use.arguments, ensure_ascii=False)
        for start in range(0, len(arguments), _ARGUMENT_PIECE):
            piece = tool_call_chunk(args=arguments[start : start + _ARGUMENT_PIECE], index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[piece])
    yield AIMessageChunk(content="", response_metadata=_metadata(found), chunk_position="last")


def _metadata(found: Answer) -> dict[str, Any]:
    return {"finish_reason": found.finish_reason, "model_name": MODEL_NAME}
