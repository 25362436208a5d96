"""Asking the model: retries and fallback models inside one time budget, never after a word."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random,
)

from bridge.agent.breaker import Breaker
from bridge.agent.failures import ModelFailed, model_failed
from bridge.agent.message import ModelMessage, listening
from bridge.agent.reply import Reply
from bridge.errors import AgentError, BridgeError

_log = structlog.get_logger(__name__)

_ATTEMPTS = 2
_JITTER = wait_random(0.05, 0.4)
"""Seconds before the second attempt: enough to spread callers, too little to be heard."""

Ask = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


@dataclass(slots=True)
class NamedModel:
    """A chat model under the name it has in the settings."""

    name: str
    chat: BaseChatModel
    breaker: Breaker = field(default_factory=Breaker)


class ModelCalls(AgentMiddleware[Any, Any, Any]):
    """Wraps each model call of the agent; shared by all calls, state is in the `Reply`."""

    def __init__(self, chain: Sequence[NamedModel]) -> None:
        super().__init__()
        self._chain = tuple(chain)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Ask
    ) -> ModelResponse[Any]:
        """Get one message from the first model that can give it, spoken as it comes."""
        reply: Reply = cast("Reply", request.runtime.context)
        if reply.asked:
            return ModelResponse(result=[AIMessage("")])  # the question is the last word
        reply.model_calls += 1
        if reply.must_answer:
            request = request.override(tool_choice="none")
        sent = reply.voice.sent
        must_answer = reply.must_answer
        message = await self._first_that_answers(request, handler, reply)
        if must_answer and reply.voice.sent == sent:
            raise AgentError("tool_limit")
        return ModelResponse(result=[message])

    async def _first_that_answers(
        self, request: ModelRequest[Any], ask: Ask, reply: Reply
    ) -> AIMessage:
        deadline = _now() + reply.limits.first_word_timeout
        failure = AgentError("model_down")
        sent = reply.voice.sent
        for position, model in enumerate(self._chain):
            if not model.breaker.admits():
                continue
            # A model that only stalls must leave the others their share.
            share = (deadline - _now()) / (len(self._chain) - position)
            try:
                message = await self._ask(model, request, ask, reply, share)
            except ModelFailed as error:
                _log.warning("model failed", model=model.name, kind=error.kind)
                if error.kind != "bad_request":  # that one is about the call, not the model
                    model.breaker.failed()
                if reply.voice.sent > sent:
                    raise
                failure = error
            else:
                model.breaker.succeeded()
                return message
        raise failure

    async def _ask(
        self, model: NamedModel, request: ModelRequest[Any], ask: Ask, reply: Reply, share: float
    ) -> AIMessage:
        deadline = _now() + share
        request = request.override(model=model.chat)
        retrying = AsyncRetrying(
            stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(share),
            wait=_pause,
            retry=retry_if_exception(_worth_retrying),
            reraise=True,
        )
        return await retrying(self._attempt, model.name, request, ask, reply, deadline)

    async def _attempt(
        self, model: str, request: ModelRequest[Any], ask: Ask, reply: Reply, deadline: float
    ) -> AIMessage:
        sent = reply.voice.sent
        try:
            async with asyncio.timeout_at(deadline) as clock:
                message = ModelMessage(model, reply, clock)
                heard = listening.set(message)
                try:
                    response = await ask(request)
                finally:
                    listening.reset(heard)
                    for stream in message.streams:
                        await stream.aclose()
            return await message.complete(cast("AIMessage", response.result[0]))
        except BridgeError:
            raise
        except Exception as error:  # providers raise anything, also ValueError
            reply.voice.drop_message()
            raise model_failed(error, spoke=reply.voice.sent > sent) from error


def _now() -> float:
    return asyncio.get_running_loop().time()


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, ModelFailed) and error.retryable


def _pause(state: RetryCallState) -> float:
    """What the server asks for, or a moment. Beyond the budget, tenacity stops instead."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ModelFailed) else None
    return asked if asked is not None else _JITTER(state)
