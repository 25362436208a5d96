"""The model calls of LangChain's agent, each answered by the chain of models."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, MessageLikeRepresentation

from bridge.agent.chain import ModelChain
from bridge.agent.onward import headers_for
from bridge.agent.reply import Reply
from bridge.errors import AgentError

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


@runtime_checkable
class Direct(Protocol):
    """A chat model that can be asked past LangChain's own bookkeeping."""

    async def answer(
        self, messages: Sequence[MessageLikeRepresentation], **kwargs: Any
    ) -> AIMessage:
        """Answer whoever listens in this task."""


class ModelCalls(AgentMiddleware[Any, Any, Any]):
    """Wraps each model call of the agent; shared by all calls, state is in the `Reply`."""

    def __init__(self, chain: ModelChain, asked_with: Mapping[str, Any] | None) -> None:
        """`asked_with`: what models are asked with beside messages, if all of them are `Direct`."""
        super().__init__()
        self._chain = chain
        self._asked_with = asked_with

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Handler
    ) -> ModelResponse[Any]:
        """Get one message from the first model that can give it, spoken as it comes."""
        reply: Reply = cast("Reply", request.runtime.context)
        if reply.asked:
            return ModelResponse(result=[AIMessage("")])  # the question is the last word
        if reply.first is not None:
            message, reply.first = reply.first, None
            return ModelResponse(result=[message])
        reply.model_calls += 1
        if reply.must_answer:
            request = request.override(tool_choice="none")
        sent = reply.voice.sent
        must_answer = reply.must_answer

        async def ask(model: BaseChatModel) -> AIMessage:
            if self._asked_with is not None and not must_answer:
                return await cast("Direct", model).answer(request.messages, **self._asked_with)
            settings = {**request.model_settings, **headers_for(model)}
            response = await handler(request.override(model=model, model_settings=settings))
            return cast("AIMessage", response.result[0])

        message = await self._chain.message(ask, reply)
        if must_answer and reply.voice.sent == sent:
            raise AgentError("tool_limit")
        return ModelResponse(result=[message])
