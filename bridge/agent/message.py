"""One message of the model's as it streams in: what is spoken of it, and what it asks of tools.

Tokens come through a callback that runs inside the model call, past the graph's stream queue, which
costs more per token than all the rest together.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import Any, cast

import structlog
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk

from bridge.agent.endings import how_it_ended
from bridge.agent.reply import Reply
from bridge.agent.toolrequests import ToolRequests
from bridge.call.events import AskedTool, ModelAnswered

_log = structlog.get_logger(__name__)

listening: ContextVar["ModelMessage | None"] = ContextVar("listening", default=None)
"""The message being heard in this task. Only the agent's own model call sets it, so a model that a
tool or a middleware calls is not spoken: who does not ask is not heard."""


class Listener(AsyncCallbackHandler):
    """Hands each chunk of a model to the message that listens in this task, if any does.

    The two `tap_output_…` methods make it what LangChain calls a streaming handler; without one
    among a model's callbacks `ainvoke` would not stream.
    """

    run_inline = True
    raise_error = True

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        **kwargs: Any,
    ) -> None:
        """Pass on one chunk."""
        message = listening.get()
        if message is None:
            return
        if isinstance(chunk, ChatGenerationChunk):
            await message.hear(chunk.message)
        else:
            await message.hear(AIMessageChunk(content=cast("str", token)))

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Pass over it; without this method LangChain writes the whole history as a text."""

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        """Leave the stream alone."""
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        """Leave the stream alone."""
        return output


class ModelMessage:
    """One message of the model's, while it is heard and spoken."""

    def __init__(self, model: str, reply: Reply, clock: asyncio.Timeout) -> None:
        self._model = model
        self._reply = reply
        self._clock = clock
        self._time = asyncio.get_running_loop().time
        self._asked = self._time()
        self._first: float | None = None
        """Seconds from asking to the first token."""
        self._token_timeout = reply.limits.token_timeout
        self._alive_until = 0.0
        """Until then a token need not move the clock: each move costs as much as the token."""
        self._text = ""
        self._may_repeat = bool(reply.messages_spoken)
        self._requests = ToolRequests()
        self.streams: list[AsyncGenerator[ChatGenerationChunk]] = []
        """What the model's answer is read from."""

    async def hear_words(self, text: str) -> None:
        """Take in some of the model's words, and speak them at once."""
        self._sign_of_life()
        if text:
            await self._speak(text)

    async def hear(self, message: BaseMessage | BaseMessageChunk) -> None:
        """Take in one chunk, and speak its text at once."""
        self._sign_of_life()
        if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
            self._requests.hear(message.tool_call_chunks)
        content = message.content
        text = content if isinstance(content, str) else str(message.text)
        if text:
            await self._speak(text)

    def _sign_of_life(self) -> None:
        time = self._time()
        if time >= self._alive_until:
            self._alive_until = time + self._token_timeout / 20
            self._clock.reschedule(self._alive_until + self._token_timeout)
        if self._first is None:
            self._first = time - self._asked
            self._reply.voice.model_began()

    async def complete(self, message: AIMessage) -> AIMessage:
        """Speak what is left to speak; return the message with its tool calls checked.

        Raises:
            StreamCutError: the stream ended before the message did.
        """
        reason = how_it_ended(self._model, message)
        if not self._text and (whole := str(message.text)):
            await self._speak(whole)  # a model that does not stream
        checked = self._requests.check(message, self._reply)
        await self._release()
        await self._reply.voice.finish_message(wait_follows=bool(checked.tool_calls))
        self._reply.voice.model_answered(self._told(checked, reason))
        if reason in ("length", "content_filter", "max_tokens", "refusal"):
            _log.info("the model stopped early", finish_reason=reason)
        return checked

    def _told(self, message: AIMessage, reason: str) -> ModelAnswered:
        usage, said = message.usage_metadata, message.response_metadata
        return ModelAnswered(
            self._reply.voice.turn,
            self._model,
            str(message.text),
            tuple(AskedTool(call["name"], call["args"]) for call in message.tool_calls),
            first_token=self._first,
            seconds=self._time() - self._asked,
            tokens_in=usage["input_tokens"] if usage else None,
            tokens_out=usage["output_tokens"] if usage else None,
            response_model=str(said.get("model_name") or said.get("model") or ""),
            finish_reason=reason,
        )

    async def _speak(self, text: str) -> None:
        self._text += text
        if self._may_repeat:
            if any(earlier.startswith(self._text) for earlier in self._reply.messages_spoken):
                return  # so far word for word what was said before: wait until it differs
            self._may_repeat = False
            text = self._text
        await self._reply.voice.say(text)

    async def _release(self) -> None:
        repeated = self._may_repeat and self._text in self._reply.messages_spoken
        if self._may_repeat and not repeated and self._text:
            await self._reply.voice.say(self._text)
        if self._text and not repeated:
            self._reply.messages_spoken.append(self._text)
