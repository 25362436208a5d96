"""A message that is known beforehand, in the pieces in which it may be streamed."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

_ARGUMENT_PIECE: Final = 12
"""Characters of a call's arguments in one chunk, about what OpenAI sends."""


def pieces_of(
    text: str, tool_calls: Iterable[tuple[str, Mapping[str, Any]]], prefix: str = "call"
) -> Iterator[AIMessageChunk]:
    """Give the words one by one, then the calls in pieces; `prefix` begins the calls' ids."""
    for word in re.findall(r"\s*\S+|\s+$", text):
        yield AIMessageChunk(content=word)
    for index, (name, arguments) in enumerate(tool_calls):
        begun = tool_call_chunk(name=name, args="", id=f"{prefix}_{index}", index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[begun])
        written = json.dumps(arguments, ensure_ascii=False)
        for start in range(0, len(written), _ARGUMENT_PIECE):
            part = tool_call_chunk(args=written[start : start + _ARGUMENT_PIECE], index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[part])


def last_piece(reason: str) -> AIMessageChunk:
    """The end of a message, and why it ended there."""
    end = AIMessageChunk(content="", response_metadata={"finish_reason": reason})
    end.chunk_position = "last"
    return end
