"""The conversation as models read it: as LangChain's messages, or as the lines that OpenAI takes.

A message object takes ten times as long as a line, before a caller hears the first word; only
LangChain's graph needs it.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from bridge.call.history import Item, ToolExchange
from bridge.protocol import Utterance

OPENING = "(The call has just been connected. Greet the caller.)"
"""What a model answers that greets."""


def messages_of(history: Sequence[Item]) -> Iterator[AnyMessage]:
    """The conversation for LangChain's graph."""
    for item in history or (Utterance("user", OPENING),):
        if isinstance(item, ToolExchange):
            call = tool_call(name=item.name, args=item.arguments, id=item.id)
            yield AIMessage(content="", tool_calls=[call])
            yield ToolMessage(content=item.result, name=item.name, tool_call_id=item.id)
        elif item.role == "user":
            yield HumanMessage(content=item.content)
        else:
            yield AIMessage(content=item.content)


def lines_of(history: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """The same as a chat completions API reads it; LangChain takes it for messages, too."""
    for item in history or (Utterance("user", OPENING),):
        if isinstance(item, ToolExchange):
            arguments = json.dumps(item.arguments, ensure_ascii=False)
            function = {"name": item.name, "arguments": arguments}
            call = {"type": "function", "id": item.id, "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
            yield {"role": "tool", "content": item.result, "tool_call_id": item.id}
        else:
            yield {"role": item.role, "content": item.content}
