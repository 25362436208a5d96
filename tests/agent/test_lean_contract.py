"""Stock and lean, side by side, against one server: what an agent sees of them is the same."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_openai import ChatOpenAI

from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import NO_TIMEOUT, Pairs, merged, pairs

END: list[Any] = [{"finish": "stop"}, {"usage": "asked"}, {"done": True}]
CALL = {"id": "call_1", "name": "look_up", "arguments": '{"query": "blue shoes", "limit": 3}'}
BROKEN = {"id": "call_2", "name": "look_up", "arguments": '{"query": "blu'}


def logprobs(token: str) -> dict[str, Any]:
    one = {"token": token, "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    return {"content": [one], "refusal": None}


@pytest.fixture
async def models(fake_openai: FakeOpenAI) -> AsyncIterator[Pairs]:
    await fake_openai.reset()
    async with pairs(fake_openai.base_url) as makers:
        yield makers


ANSWERS: dict[str, list[Any]] = {
    "text": [{"text": "Good "}, {"text": "morning."}, *END],
    "nothing": [{"text": ""}, *END],
    "one tool call": [
        {"tool_call": CALL, "chunked": 7}, {"finish": "tool_calls"}, {"usage": True}, {"done": True}
    ],
    "text, then parallel tool calls": [
        {"text": "One moment."}, {"tool_call": CALL, "chunked": 3}, {"tool_call": CALL},
        {"finish": "tool_calls"}, {"done": True},
    ],
    "truncated arguments": [{"tool_call": BROKEN}, {"finish": "length"}, {"done": True}],
    "interleaved tool calls without names": [
        {"chunk": {"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}]}}]}},
        {"chunk": {"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 1, "function": {"arguments": "}"}},
            {"index": 0, "function": {"arguments": "}"}}]}}]}},
        {"finish": "tool_calls"}, {"done": True},
    ],
    "reasoning": [{"reasoning": "Hm."}, {"text": "Yes."}, *END],
    "refusal": [{"text": "", "delta": {"refusal": "I will not."}}, *END],
    "filtered": [{"text": "Well, "}, {"finish": "content_filter"}, {"done": True}],
    "usage on every chunk": [
        {"chunk": {"choices": [{"index": 0, "delta": {"content": "a"}}],
                   "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}},
        *END,
    ],
    "logprobs": [
        {"text": "a", "logprobs": logprobs("a")},
        {"text": "b", "logprobs": logprobs("b")},
        *END,
    ],
    "content filter results first": [
        {"chunk": {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}},
        {"text": "Hi."}, *END,
    ],
    "an empty delta, a null delta": [
        {"chunk": {"choices": [{"index": 0, "delta": {}}]}},
        {"chunk": {"choices": [{"index": 0, "delta": None}]}},
        {"text": "Hi."}, *END,
    ],
    "function_call of old": [
        {"chunk": {"choices": [
            {"index": 0, "delta": {"function_call": {"name": "f", "arguments": "{}"}}}]}},
        {"finish": "function_call"}, {"done": True},
    ],
    "comments, unknown fields, crlf, an own id": [
        {"comment": "ping"}, {"raw": "event: x\r\nid: 4\r\nretry: 9\r\n"},
        {"data": {"choices": [{"index": 0, "delta": {"id": "msg_7", "content": "Hi."}}]}}, *END,
    ],
}  # fmt: skip


@pytest.mark.parametrize("steps", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("output_version", [None, "v1"])
async def test_the_message_is_the_same(
    fake_openai: FakeOpenAI, models: Pairs, steps: list[Any], output_version: str | None
) -> None:
    stock, lean = await models.make(stream_usage=True, output_version=output_version)
    await fake_openai.script({"steps": steps, "times": 2})

    expected, message = await merged(stock), await merged(lean)

    assert message == expected
    assert message.response_metadata == expected.response_metadata
    assert message.response_metadata["finish_reason"]
    assert message.response_metadata["model_name"] == "gpt-4.1-mini"


def refusal(status: int, code: str | None = None, **headers: str) -> list[Any]:
    error = {"message": f"no: {code}", "type": "invalid", "code": code, "param": None}
    return [{"status": status, "body": {"error": error}, "headers": headers}]


FAILURES: dict[str, list[Any]] = {
    "400": refusal(400, "bad"),
    "400, context overflow": refusal(400, "context_length_exceeded"),
    "401": refusal(401),
    "403": refusal(403),
    "404": refusal(404),
    "409": refusal(409),
    "422": refusal(422),
    "429": refusal(429, "rate_limit_exceeded", **{"Retry-After": "60"}),
    "500": refusal(500),
    "503, no JSON": [{"status": 503, "body": "<h1>upstream connect error</h1>"}],
    "503, nothing": [{"status": 503, "body": ""}],
    "503, compressed": [{"status": 503, "body": {"error": {"message": "zip"}}, "gzip": True}],
    "503, a header beyond ASCII": [{"status": 503, "headers": {"X-Note": "schön"}}],
    "reset at once": [{"reset": True}],
    "reset mid-stream": [{"text": "Good "}, {"sleep_ms": 20}, {"reset": True}],
    "cut mid-stream": [{"text": "Good "}, {"cut": True}],
    "an error event": [{"text": "Good "}, {"data": {"error": {"message": "boom", "code": "x"}}}],
    "an error event in words": [{"data": {"error": "boom"}}],
    "an error event, context overflow": [
        {"data": {"error": {"message": "it exceeds the context window"}}}
    ],
}


async def failure(model: ChatOpenAI) -> openai.APIError:
    with pytest.raises(openai.APIError) as caught:
        await merged(model)
    return caught.value


@pytest.mark.parametrize("steps", FAILURES.values(), ids=FAILURES)
async def test_failures_are_the_same(
    fake_openai: FakeOpenAI, models: Pairs, steps: list[Any]
) -> None:
    stock, lean = await models.make()
    await fake_openai.script({"steps": steps, "times": 2})

    expected, error = await failure(stock), await failure(lean)

    assert type(error) is type(expected)
    assert error.message == expected.message
    assert error.body == expected.body
    if isinstance(error, openai.APIStatusError):
        assert isinstance(expected, openai.APIStatusError)
        assert error.status_code == expected.status_code
        assert error.response.headers.get("retry-after") == expected.response.headers.get(
            "retry-after"
        )


@pytest.mark.parametrize(
    ("url", "timeout"),
    [("http://127.0.0.1:9/v1", None), ("http://no-such-host.invalid/v1", None), (None, 0.05)],
    ids=["refused", "no such host", "read timeout"],
)
async def test_connections_fail_the_same(
    fake_openai: FakeOpenAI, models: Pairs, url: str | None, timeout: float | None
) -> None:
    await fake_openai.script({"steps": [{"text": "Good "}, {"stall": True}], "times": 2})
    stock, lean = await models.make(base_url=url or fake_openai.base_url, timeout=timeout)

    expected, error = await failure(stock), await failure(lean)

    assert type(error) is type(expected)


class Ear(AsyncCallbackHandler):
    """Hears the tokens."""

    run_inline = True

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.heard.append(token)


async def test_ainvoke_tells_a_streaming_handler(fake_openai: FakeOpenAI, models: Pairs) -> None:
    for model in await models.make(streaming=True, stream_usage=True):
        await fake_openai.script({"say": "Good morning to you."})
        ear = Ear()

        message: Any = await model.ainvoke("hello", {"callbacks": [ear]})

        assert "".join(ear.heard) == message.text == "Good morning to you."
        assert message.usage_metadata["output_tokens"] == 34


async def test_ainvoke_without_streaming_is_stock(fake_openai: FakeOpenAI, models: Pairs) -> None:
    stock, lean = await models.make(timeout=NO_TIMEOUT)
    await fake_openai.script({"say": "Good morning."}, {"say": "Good morning."})

    expected, message = await stock.ainvoke("hello"), await lean.ainvoke("hello")

    assert message.content == expected.content == "Good morning."
