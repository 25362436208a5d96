"""The model calls of LangChain's agent, each answered by the chain of models."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from bridge.agent.chain import ModelChain
from bridge.agent.onward import headers_for
from bridge.agent.reply import Reply
from bridge.errors import AgentError

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class ModelCalls(AgentMiddleware[Any, Any, Any]):
    """Wraps each model call of the agent; shared by all calls, state is in the `Reply`."""

    def __init__(self, chain: ModelChain) -> None:
        super().__init__()
        self._chain = chain

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
            settings = {**request.model_settings, **headers_for(model)}
            response = await handler(request.override(model=model, model_settings=settings))
            return cast("AIMessage", response.result[0])

        message = await self._chain.message(ask, reply)
        if must_answer and reply.voice.sent == sent:
            raise AgentError("tool_limit")
        return ModelResponse(result=[message])
