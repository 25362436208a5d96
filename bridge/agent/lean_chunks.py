"""An answer's bytes in, its words and LangChain's chunks out. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import orjson
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from bridge.agent.lean_errors import UnreadableStreamError, event_error
from bridge.agent.sse import EventReader, EventTooLargeError

Convert = Callable[[dict[str, Any]], ChatGenerationChunk | None]

_PLAIN = frozenset({"content", "role", "refusal", "reasoning", "reasoning_content"})
"""What a delta may hold and still be plain text: stock drops all of these but `content`."""

_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)


class AnswerReader:
    """One answer. Deltas of nothing but text take a short way: those of one read become one string.

    Everything else goes through `convert`, which is stock's own conversion.
    """

    def __init__(self, convert: Convert, *, request: httpx2.Request) -> None:
        self.finished = False
        """A finish reason has come: the answer is whole, though its usage may follow."""
        self.done = False
        """`[DONE]` has come: nothing after it counts."""
        self._convert = convert
        self._request = request
        self._events = EventReader()

    def feed(self, data: bytes) -> Iterator[str | ChatGenerationChunk]:
        """Yield the words and the chunks that these bytes complete. Run it to its end.

        Raises:
            openai.APIError: an error event, or bytes that are no answer; what came before it was
                yielded. Once the answer is finished, that ends it instead.
        """
        words: list[str] = []
        try:
            for chunk in self._parsed(data):
                if (text := self._plain_text(chunk)) is not None:
                    words.append(text)
                    continue
                if words:
                    yield "".join(words)
                    words = []
                if (converted := self._converted(chunk)) is not None:
                    yield converted
        except openai.APIError:
            if words:
                yield "".join(words)
            if not self.finished:
                raise
            self.done = True
            return
        if words:
            yield "".join(words)

    def _parsed(self, data: bytes) -> Iterator[dict[str, Any]]:
        try:
            for payload in self._events.feed(data):
                if payload.startswith(b"[DONE]"):
                    self.done = True
                    return
                if payload.strip():
                    yield self._parse(payload)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error

    def _parse(self, payload: bytes) -> dict[str, Any]:
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise self._unreadable("an event of the stream is not JSON") from error
        if not isinstance(chunk, dict):
            raise self._unreadable("an event of the stream is not an object")
        if failure := chunk.get("error"):
            raise event_error(self._request, failure)
        return chunk

    def _plain_text(self, chunk: dict[str, Any]) -> str | None:
        """Return the text of a delta that has nothing else, "" for one that says nothing."""
        try:
            if chunk.get("usage") or len(chunk["choices"]) != 1:
                return None
            choice = chunk["choices"][0]
            if choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
                return None
            delta = choice["delta"]
            for key, value in delta.items():
                if value and key not in _PLAIN:
                    return None
            text = delta.get("content") or ""
            plain = isinstance(text, str) and (delta.get("role") or "assistant") == "assistant"
        except _MISSHAPEN:
            return None  # `convert` is the judge of what is odd
        return text if plain else None

    def _converted(self, chunk: dict[str, Any]) -> ChatGenerationChunk | None:
        try:
            if choices := chunk.get("choices"):
                first = [choice for choice in choices if not choice.get("index")]
                if not first and not chunk.get("usage"):
                    return None  # an alternative nobody asked for
                chunk = {**chunk, "choices": first}
                self.finished |= any(choice.get("finish_reason") for choice in first)
            return self._convert(chunk)
        except _MISSHAPEN as error:
            raise self._unreadable("an event of the stream is not a completion chunk") from error

    def _unreadable(self, why: str) -> UnreadableStreamError:
        return UnreadableStreamError(why, self._request, body=None)


def text_chunk(words: str, output_version: str | None) -> ChatGenerationChunk:
    """Make the chunk that stock would make of a delta with nothing but these words."""
    metadata = {"model_provider": "openai"}
    if output_version == "v1":
        metadata["output_version"] = "v1"
    # The constructors on purpose: pydantic's model_construct takes thirty times as long here.
    message = AIMessageChunk(content=words, response_metadata=metadata)
    return ChatGenerationChunk(message=message)
