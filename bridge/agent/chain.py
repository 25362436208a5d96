"""Asking the model: retries and fallback models inside one time budget, never after a word."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog
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

Ask = Callable[[BaseChatModel], Awaitable[AIMessage]]
"""One request to one model."""


@dataclass(slots=True)
class NamedModel:
    """A chat model under the name it has in the settings."""

    name: str
    chat: BaseChatModel
    breaker: Breaker = field(default_factory=Breaker)
    failures: Counter[str] = field(default_factory=Counter)
    """Attempts that failed, by kind."""
    retries: int = 0
    """Times it was asked once more."""
    stood_in: int = 0
    """Messages it gave because the models before it did not."""


class ModelChain:
    """Models in the order in which they are tried. Shared by all calls."""

    def __init__(self, models: Sequence[NamedModel]) -> None:
        self._chain = tuple(models)

    def __iter__(self) -> Iterator[NamedModel]:
        return iter(self._chain)

    async def message(self, ask: Ask, reply: Reply) -> AIMessage:
        """Get one message from the first model that can give it, spoken as it comes.

        Raises:
            AgentError: none of them answered.
        """
        deadline = _now() + reply.limits.first_word_timeout
        failure = AgentError("model_down")
        sent = reply.voice.sent
        for position, model in enumerate(self._chain):
            if not model.breaker.admits():
                continue
            # A model that only stalls must leave the others their share.
            share = (deadline - _now()) / (len(self._chain) - position)
            try:
                message = await self._ask(model, ask, reply, share)
            except ModelFailed as error:
                _log.warning("model failed", model=model.name, kind=error.kind)
                if error.kind != "bad_request":  # that one is about the call, not the model
                    model.breaker.failed()
                if reply.voice.sent > sent:
                    raise
                failure = error.with_traceback(None)
            else:
                model.breaker.succeeded()
                model.stood_in += position > 0
                return message
        try:
            raise failure
        finally:
            del failure  # it knows this frame: together they would wait for the garbage collector

    async def _ask(self, model: NamedModel, ask: Ask, reply: Reply, share: float) -> AIMessage:
        deadline = _now() + share
        try:
            return await self._attempt(model, ask, reply, deadline)
        except ModelFailed as error:
            if not error.retryable:
                raise
            failures = [error]

        async def attempt() -> AIMessage:
            if failures:  # the first attempt is over: most need no clockwork for a second
                raise failures.pop()
            model.retries += 1
            return await self._attempt(model, ask, reply, deadline)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(deadline - _now()),
            wait=_pause,
            retry=retry_if_exception(_worth_retrying),
            reraise=True,
        )
        return await retrying(attempt)

    async def _attempt(
        self, model: NamedModel, ask: Ask, reply: Reply, deadline: float
    ) -> AIMessage:
        with reply.voice.asking(model.name):
            return await self._heard(model, ask, reply, deadline)

    async def _heard(self, model: NamedModel, ask: Ask, reply: Reply, deadline: float) -> AIMessage:
        sent = reply.voice.sent
        try:
            async with asyncio.timeout_at(deadline) as clock:
                message = ModelMessage(model.name, reply, clock)
                heard = listening.set(message)
                try:
                    answer = await ask(model.chat)
                finally:
                    listening.reset(heard)
                    for stream in message.streams:
                        await stream.aclose()
            return await message.complete(answer)
        except BridgeError:
            raise
        except Exception as error:  # providers raise anything, also ValueError
            reply.voice.drop_message()
            raise _counted(model, model_failed(error, spoke=reply.voice.sent > sent)) from error


def _counted(model: NamedModel, failed: ModelFailed) -> ModelFailed:
    model.failures[failed.kind] += 1
    return failed


def _now() -> float:
    return asyncio.get_running_loop().time()


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, ModelFailed) and error.retryable


def _pause(state: RetryCallState) -> float:
    """What the server asks for, or a moment. Beyond the budget, tenacity stops instead."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ModelFailed) else None
    return asked if asked is not None else _JITTER(state)
