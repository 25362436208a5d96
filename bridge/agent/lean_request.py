"""The body of a request: plain messages and tools written here, all else as stock writes it."""

import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    MessageLikeRepresentation,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel


def wire_messages(
    messages: Sequence[MessageLikeRepresentation],
    odd: Callable[[Sequence[MessageLikeRepresentation]], list[dict[str, Any]]],
    *,
    system: str | None,
) -> list[dict[str, Any]]:
    """Write messages; those that are dictionaries are written already.

    `odd` is stock's way, which walks an answer letter by letter. `system` is what the model calls
    the system's role; None leaves that to stock.
    """
    roles: dict[type[BaseMessage], str | None] = {
        HumanMessage: "user",
        AIMessage: "assistant",
        SystemMessage: system,
    }
    written = [_plain_message(message, roles) for message in messages]
    if None not in written:
        return cast("list[dict[str, Any]]", written)
    left = [message for message, plain in zip(messages, written, strict=True) if plain is None]
    converted = iter(odd(left))
    return [plain or next(converted) for plain in written]


def _plain_message(
    message: MessageLikeRepresentation, roles: Mapping[type[BaseMessage], str | None]
) -> dict[str, Any] | None:
    """A message that is nothing but text, as stock would write it; None for any other."""
    if not isinstance(message, BaseMessage):
        return message if isinstance(message, dict) else None
    content = message.content
    if not isinstance(content, str) or message.name or message.additional_kwargs:
        return None
    if role := roles.get(type(message)):
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            return None
        return {"content": content, "role": role}
    if type(message) is ToolMessage:
        return {"content": content, "role": "tool", "tool_call_id": message.tool_call_id}
    return None


def encoded(payload: dict[str, Any]) -> bytes:
    """Write a payload as JSON.

    Raises:
        TypeError: it holds what JSON cannot.
    """
    try:
        return orjson.dumps(payload, default=_as_data, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate, or a number beyond 64 bits
        text = json.dumps(payload, default=_as_data, ensure_ascii=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _as_data(value: Any) -> Any:
    """Encode what the SDK also encodes: pydantic models among the arguments."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True, mode="json", by_alias=True)
    raise TypeError(f"a request cannot hold a {type(value).__name__}")


Tool = dict[str, Any] | type | Callable[..., Any] | BaseTool


class Described:
    """Tools as OpenAI is told of them. A tool is described once, as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[BaseTool], dict[str, Any]]] = {}

    def of(self, tool: Tool) -> Tool:
        """The description of a plain tool; any other is left to stock."""
        if not isinstance(tool, BaseTool) or tool.extras:
            return tool
        place = id(tool)
        known = self._known.get(place)
        if known is not None and known[0]() is tool:
            return known[1]
        written = convert_to_openai_tool(tool)
        if written["type"] != "function":
            return tool
        gone = weakref.ref(tool, lambda _: self._known.pop(place, None))
        self._known[place] = (gone, written)
        return written
