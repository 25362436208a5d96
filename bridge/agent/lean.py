"""`ChatOpenAI`, reading its stream with aiohttp and orjson: a tenth of the CPU time per token."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Self, cast

import httpx2
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    MessageLikeRepresentation,
)
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from pydantic import Field, SecretStr, field_validator

from bridge.agent.lean_asking import Asking
from bridge.agent.lean_chunks import AnswerReader, text_chunk
from bridge.agent.lean_errors import raise_as_langchain
from bridge.agent.lean_http import Upstream
from bridge.agent.lean_request import Described, Tool
from bridge.agent.message import Listener, ModelMessage, listening

GRACE = 1.0
"""Seconds a server may take for usage and `[DONE]`, once it has given a finish reason."""
AHEAD = 60
"""Characters of an answer that are passed on the moment they come. They take four seconds to be
spoken, so nobody hears when those after them come..."""
BREATH = 0.05
"""...which is that many seconds later at most: what came meanwhile is read at once, which saves a
fifth of what a token costs (docs/performance.md)."""

_NEEDS_STOCK = {"response_format", "extra_headers", "extra_query", "timeout"}
"""Arguments that the SDK takes for itself, or answers with another kind of stream."""


@dataclass(slots=True)
class _Kept:
    """What is worked out once for many requests."""

    server: Upstream | None = None
    asking: Asking | None = None
    described: Described = field(default_factory=Described)


class LeanChatOpenAI(ChatOpenAI):
    """`ChatOpenAI` for phone calls: the same messages and errors, sooner.

    Plain streamed chat completions go over aiohttp. The Responses API, `response_format`, response
    headers, the LangSmith gateway, own proxies, HTTP clients or socket options, keys that are
    functions, and everything not streamed are left to the stock class.

    What differs from stock, on purpose:

    - It never retries; `max_retries` is always 0. It has no clock but `connect_timeout` and, when
      `timeout` is set, the time between two reads. The bridge holds the clocks.
    - A stream without a finish reason raises `OpenAIConnectionError`; stock calls it success.
    - Broken JSON, broken UTF-8, an HTML page, or an event over 1 MiB raise
      `UnreadableStreamError`, which is an `openai.APIError`; stock raises `ValueError` or nothing.
    - Choices other than the first, and whatever follows `[DONE]`, are ignored. So is a failure
      after the finish reason; silence after it ends the answer within a second.
    - Deltas that arrive together are one chunk. Compressed answers are not asked for.
    - Lone surrogates in a message become U+FFFD; stock raises `UnicodeEncodeError`.
    """

    connect_timeout: float = Field(default=3.0, gt=0)
    """Seconds until a connection, with its DNS look-up and TLS, must be there."""
    max_retries: int | None = 0
    stream_chunk_timeout: float | None = None

    @cached_property
    def kept(self) -> _Kept:
        """Not for others. One of pydantic's private attributes takes 2 µs to be looked up, hot."""
        return _Kept()

    def __copy__(self) -> Self:
        """A copy, which may be set to something else, works out its own (`model_copy`)."""
        copied = super().__copy__()
        copied.__dict__.pop("kept", None)
        return copied

    @field_validator("max_retries")
    @classmethod
    def _never_retry(cls, _: int | None) -> int:
        return 0

    @property
    def sends_onward(self) -> bool:
        """Whether its requests say by themselves which span they belong to (`call.spans`)."""
        return self._is_lean({})

    async def warm(self) -> None:
        """Have a connection open before the caller speaks. Never fails."""
        if self._asking({}).lean:
            await self._server().warm()

    async def aclose(self) -> None:
        """Close the connections this model has open in the running event loop."""
        if (server := self.kept.server) is not None:
            await server.aclose()

    def _should_stream(
        self,
        *,
        async_api: bool,
        run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> bool:
        handlers = run_manager.handlers if run_manager else []
        if (
            async_api
            and listening.get() is not None
            and all(isinstance(handler, Listener) for handler in handlers)
            and self._asking(kwargs).lean
        ):
            return False  # `_agenerate` tells whoever listens, without an object for every token
        return super()._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message, asking = listening.get(), self._asking(kwargs, stop)
        if message is None or not asking.lean:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        return await self._spoken(message, messages, asking)

    async def answer(
        self, messages: Sequence[MessageLikeRepresentation], **kwargs: Any
    ) -> AIMessage:
        """Answer whoever listens in this task, and nobody else: no callbacks, no configuration.

        `kwargs` are what `bind_tools` binds. LangChain's way to the same takes a millisecond more.
        """
        message, asking = listening.get(), self._asking(kwargs)
        if message is None or not asking.lean:
            return await self.ainvoke(list(messages), **kwargs)
        result = await self._spoken(message, messages, asking)
        generation = result.generations[0]
        told, said = generation.generation_info or {}, cast("AIMessage", generation.message)
        said.response_metadata = {**told, **said.response_metadata}  # as LangChain would
        return said

    async def _spoken(
        self,
        message: ModelMessage,
        messages: Sequence[MessageLikeRepresentation],
        asking: Asking,
    ) -> ChatResult:
        words: list[str] = []
        chunks: list[ChatGenerationChunk] = []
        async with aclosing(self._answer(messages, asking)) as answer:
            async for piece in answer:
                if isinstance(piece, str):
                    words.append(piece)
                    await message.hear_words(piece)
                    continue
                if words:
                    chunks.append(text_chunk("".join(words), self.output_version))
                    words = []
                chunks.append(piece)
                await message.hear(piece.message)
        if words:
            chunks.append(text_chunk("".join(words), self.output_version))
        last = AIMessageChunk(content="", chunk_position="last")
        return generate_from_stream(iter((*chunks, ChatGenerationChunk(message=last))))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if (asking := self._asking(kwargs, stop)).lean:
            chunks = self._chunks(messages, asking)
        else:
            chunks = super()._astream(messages, stop, run_manager, **kwargs)
            run_manager = None  # stock tells it
        async with aclosing(cast("AsyncGenerator[ChatGenerationChunk]", chunks)):
            async for chunk in chunks:
                if run_manager:
                    logprobs = (chunk.generation_info or {}).get("logprobs")
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk, logprobs=logprobs)
                yield chunk

    def bind_tools(
        self, tools: Sequence[Tool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools, of which each is described once, and not for every request."""
        if kwargs.get("strict") is not None or kwargs.get("response_format"):
            return super().bind_tools(tools, **kwargs)
        return super().bind_tools([self.kept.described.of(tool) for tool in tools], **kwargs)

    def _is_lean(self, kwargs: dict[str, Any]) -> bool:
        asked = {**self.model_kwargs, **kwargs}
        return not (
            _NEEDS_STOCK & asked.keys()
            or self.include_response_headers
            or self.openai_proxy
            or self.http_async_client
            or self.http_socket_options is not None
            or not isinstance(self.openai_api_key, SecretStr)
            or self._uses_gateway
            or type(self.root_async_client) is not openai.AsyncOpenAI
            or self._use_responses_api(asked)
        )

    def _server(self) -> Upstream:
        kept = self.kept
        if kept.server is None:
            kept.server = Upstream(
                self.root_async_client,
                connect_timeout=self.connect_timeout,
                read_timeout=httpx2.Timeout(cast("float | None", self.request_timeout)).read,
            )
        return kept.server

    def _asking(self, kwargs: dict[str, Any], stop: list[str] | None = None) -> Asking:
        """How to ask with these arguments. What the model is set to is looked at once."""
        kept = self.kept
        if kept.asking is None or not kept.asking.fits(kwargs, stop):
            kept.asking = self._work_out(kwargs, stop)
        return kept.asking

    def _work_out(self, kwargs: dict[str, Any], stop: list[str] | None) -> Asking:
        if not self._is_lean(kwargs):
            return Asking(kwargs, stop, False, {}, {}, lambda _: [], None)
        asked = {**kwargs, "stream": True}
        if self._should_stream_usage(asked.pop("stream_usage", None), **asked):
            asked["stream_options"] = {"include_usage": True}
        convert: Callable[[Sequence[MessageLikeRepresentation]], dict[str, Any]] = partial(
            self._get_request_payload, stop=stop, **asked
        )
        payload = convert([])
        return Asking(
            kwargs,
            stop,
            lean=True,
            payload=payload,
            extra=payload.pop("extra_body", None) or {},
            odd=lambda messages: convert(messages)["messages"],
            # o1 and its like have another name for the system's role.
            system=None if re.match(r"o\d", self.model_name) else "system",
        )

    async def _chunks(
        self, messages: Sequence[MessageLikeRepresentation], asking: Asking
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._answer(messages, asking)) as answer:
            async for piece in answer:
                if isinstance(piece, str):
                    yield text_chunk(piece, self.output_version)
                else:
                    yield piece

    async def _answer(
        self, messages: Sequence[MessageLikeRepresentation], asking: Asking
    ) -> AsyncGenerator[str | ChatGenerationChunk]:
        server, said = self._server(), 0
        try:
            incoming = await server.open(asking.body(messages))
            answer = AnswerReader(
                lambda chunk: self._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, None),
                request=server.request,
            )
            try:
                while not (answer.finished or answer.done) and (data := await incoming.read()):
                    for piece in answer.feed(data):
                        yield piece
                        # A tool's arguments are waited for: they are read as they come.
                        said = said + len(piece) if isinstance(piece, str) else 0
                    if said > AHEAD and not answer.finished:
                        await incoming.gather(BREATH)
                if not answer.finished:
                    raise openai.APIConnectionError(
                        message="The stream ended without a finish reason.", request=server.request
                    )
                until = asyncio.get_running_loop().time() + GRACE
                while not answer.done and (data := await incoming.read_until(until)):
                    for piece in answer.feed(data):
                        yield piece
                if answer.done:
                    await incoming.finish()
            finally:
                incoming.close()  # at once: an interrupted answer must not go on being written
        except openai.APIError as error:
            raise_as_langchain(error)
