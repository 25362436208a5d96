"""What a model's server sends, as events and as an answer: `bridge/agent`."""

from typing import Any

import httpx2
import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from bridge.agent.lean_chunks import AnswerReader
from tests.agent.test_sse import by_the_letter, read_to_the_end
from tests.fuzz.target import Target, encoded, pieces

REQUEST = httpx2.Request("POST", "http://model.test")
STOCK = ChatOpenAI(model="m", api_key=SecretStr("-"), base_url="http://model.test")


def check_events(data: bytes) -> None:
    """However a body is cut, its events are those that the standard sees, up to the limit."""
    for limit in (40, 100_000):
        whole = read_to_the_end([data], limit)
        for cut in pieces(data):
            assert read_to_the_end(cut, limit) == whole
        if not whole[1]:
            assert whole[0] == by_the_letter(data)


def check_answer(data: bytes) -> None:
    """However an answer is cut, it says the same and ends the same; what is no answer is told."""
    whole = answered([data])
    for cut in pieces(data):
        assert answered(cut) == whole


def answered(body: list[bytes]) -> tuple[list[Any], bool, bool, str]:
    """What an answer says, whether it is finished and done, and what broke it off."""
    reader = AnswerReader(convert, request=REQUEST)
    said: list[Any] = []
    try:
        for data in body:
            if reader.done:
                break
            for piece in reader.feed(data):
                said += piece if isinstance(piece, str) else told(piece)
    except openai.APIError as error:
        return said, reader.finished, reader.done, f"{type(error).__name__}: {error}"
    return said, reader.finished, reader.done, ""


def told(piece: ChatGenerationChunk) -> list[Any]:
    """A chunk's words, as if they were alone, or all of it."""
    if plain(piece):
        return list(str(piece.message.content))
    return [piece.message.model_dump_json(exclude={"id"})]


def plain(piece: ChatGenerationChunk) -> bool:
    """Whether it says words and nothing else."""
    message = piece.message
    assert isinstance(message, AIMessageChunk)
    return isinstance(message.content, str) and not (
        message.tool_call_chunks
        or message.usage_metadata
        or message.additional_kwargs
        or set(message.response_metadata) - {"model_provider"}
    )


def convert(chunk: dict[str, Any]) -> ChatGenerationChunk | None:
    """As the lean model has it done."""
    return STOCK._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, None)


def event(delta: str, rest: str = "") -> str:
    return f'data: {{"choices":[{{"index":0,"delta":{delta}{rest}}}]}}\n\n'


ANSWERS = encoded(
    [
        event('{"role":"assistant","content":""}')
        + event('{"content":"Hello"}')
        + event('{"content":" there"}')
        + event("{}", ',"finish_reason":"stop"')
        + 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,'
        '"total_tokens":3}}\n\ndata: [DONE]\n\n',
        event(
            '{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"a\\""}}]}'
        )
        + event('{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}')
        + event("{}", ',"finish_reason":"tool_calls"'),
        'data: {"error":{"message":"no","code":"rate_limit_exceeded"}}\n\n',
        ": ping\r\n\r\ndata: x\n\n",
        "data: a\r\ndata: b\r\n\r\n",
        ": ping\ndata: c\ndata: d\n\n",
        event('{"content":"Hello"}') * 2 + 'data: {"error":{"message":"no"}}\n\n',
        event('{"content":"Hello"}') + "data: 5\n\n",
    ]
)
WORDS = encoded(
    [
        *'{}[]":,\n\r',
        "\n\n",
        "\r\n\r\n",
        "data: ",
        "data:",
        ": ping",
        "\ufeff",
        "[DONE]",
        "null",
        "0",
        '"choices":',
        '"delta":',
        '"content":',
        '"finish_reason":',
        '"usage":',
        '"error":',
        '"index":',
        '"tool_calls":',
        '"function":',
        '"role":',
    ]
)
EVENTS = Target("events", check_events, ANSWERS, WORDS)
ANSWER = Target("answers", check_answer, ANSWERS, WORDS)
