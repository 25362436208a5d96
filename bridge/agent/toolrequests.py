"""What the model asks of tools, checked before anything runs.

LangChain repairs cut-off JSON, so that a tool would run with half its arguments: here the raw text
of the arguments must be an object, or the call is refused and the model told.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.messages.tool import ToolCallChunk, tool_call

from bridge.agent.reply import Reply

MALFORMED = "The arguments were not complete, valid JSON, so nothing was done. Call it again."
TOO_MANY = "Not done: too many calls in one turn. Answer with what you have."


class ToolRequests:
    """The tool calls of one message, gathered from its chunks."""

    def __init__(self) -> None:
        self._raw: dict[object, ToolCall] = {}
        self._arguments: dict[object, str] = {}
        self._newest: dict[object, object] = {}
        """The call that an index means now."""

    def hear(self, chunks: Sequence[ToolCallChunk]) -> None:
        """Take in pieces of tool calls."""
        for chunk in chunks:
            key = self._key(chunk)
            entry = self._raw.setdefault(key, tool_call(name="", args={}, id=None))
            entry["name"] += chunk["name"] or ""
            entry["id"] = entry["id"] or chunk["id"]
            self._arguments[key] = self._arguments.get(key, "") + (chunk["args"] or "")

    def _key(self, chunk: ToolCallChunk) -> object:
        """Tell the calls apart: some servers give none an index, or all of them the same."""
        index = chunk["index"]
        begun = self._raw.get(self._newest.get(index))
        other = begun is not None and chunk["id"] and begun["id"] not in (None, chunk["id"])
        if index is None or begun is None or other:
            self._newest[index] = object()
        return self._newest[index]

    def check(self, message: AIMessage, reply: Reply) -> AIMessage:
        """Return the message with well-formed tool calls; note in `reply` which may not run."""
        calls = self._streamed(reply) if self._raw else self._whole(message, reply)
        if reply.must_answer:
            calls = []  # it was told to speak
        reply.call_ids.update(str(call["id"]) for call in calls)
        for position, call in enumerate(calls):
            if reply.tool_calls + position >= reply.limits.max_tool_calls:
                reply.refused.setdefault(str(call["id"]), TOO_MANY)
        reply.tool_calls += len(calls)
        if not calls and not message.tool_calls and not message.invalid_tool_calls:
            return message
        update = {"tool_calls": calls, "invalid_tool_calls": [], "content": _without_calls(message)}
        return message.model_copy(update=update)

    def _streamed(self, reply: Reply) -> list[ToolCall]:
        return _distinct(
            [(call, _parse(self._arguments[key])) for key, call in self._raw.items()], reply
        )

    def _whole(self, message: AIMessage, reply: Reply) -> list[ToolCall]:
        good = [(call, dict(call["args"])) for call in message.tool_calls]
        bad = [
            (tool_call(name=call["name"] or "", args={}, id=call["id"]), None)
            for call in message.invalid_tool_calls
        ]
        return _distinct([*good, *bad], reply)


def _without_calls(message: AIMessage) -> Any:
    """Drop Anthropic's own record of the calls, unchecked as it is: they are in `tool_calls`."""
    if isinstance(message.content, str):
        return message.content
    return [
        block
        for block in message.content
        if isinstance(block, str) or block.get("type") not in ("tool_use", "input_json_delta")
    ]


def _parse(arguments: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return None
    if value is None:
        return {}  # how some servers write "no arguments"
    return value if isinstance(value, dict) else None


def _distinct(
    calls: Sequence[tuple[ToolCall, dict[str, object] | None]], reply: Reply
) -> list[ToolCall]:
    """Give every call an id of its own in this reply, and refuse those without arguments."""
    result: list[ToolCall] = []
    seen = set(reply.call_ids)
    for call, arguments in calls:
        name, identity = call["name"], call["id"]
        if not identity or identity in seen:
            identity = f"call_{uuid.uuid4().hex}"
        seen.add(identity)
        if arguments is None:
            reply.refused[identity] = MALFORMED
        result.append(tool_call(name=name, args=arguments or {}, id=identity))
    return result
