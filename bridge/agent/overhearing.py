"""What a model is asked with, for whoever wants to see it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import BaseMessage

from bridge.agent.reply import Reply

Role = Literal["system", "user", "assistant", "tool"]
_ROLES: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class MessageRead:
    """One message that a model has read."""

    role: Role
    content: str


class Overhearing(AgentMiddleware[Any, Any, Any]):
    """Keeps what the model is asked with, by the number of the turn; of one call at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: defaultdict[int, list[tuple[MessageRead, ...]]] = defaultdict(list)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Pass a request on."""
        reply = cast("Reply", request.runtime.context)
        messages = [
            *([request.system_message] if request.system_message else ()),
            *request.messages,
        ]
        if not reply.asked:  # else the bridge has spoken the last word, and the model is not asked
            self.requests[reply.voice.turn].append(tuple(map(_read, messages)))
        return await handler(request)


def _read(message: BaseMessage) -> MessageRead:
    return MessageRead(_ROLES.get(message.type, "user"), str(message.text))
