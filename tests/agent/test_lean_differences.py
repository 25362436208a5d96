"""Where lean is meant to differ from stock."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from langchain_openai.chat_models.base import OpenAIConnectionError, OpenAITimeoutError

from bridge.agent.lean import LeanChatOpenAI
from bridge.agent.lean_errors import UnreadableStreamError
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import lean_model, merged

FINISH: list[Any] = [{"finish": "stop"}, {"done": True}]
OTHER = {"index": 1, "delta": {"content": "Other."}, "finish_reason": None}
HUGE = '{"choices": [{"index": 0, "delta": {"content": "' + "x" * 1_100_000 + '"}}]}'


@pytest.fixture
async def lean(fake_openai: FakeOpenAI) -> AsyncIterator[LeanChatOpenAI]:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as model:
        yield model


async def heard_before(error: type[Exception], model: LeanChatOpenAI) -> str:
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in model.astream("hello"):
            heard.append(chunk.text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(error):
        await listen()
    return "".join(heard)


@pytest.mark.parametrize(
    "end", [[], [{"close": True}], [{"done": True}]], ids=["end", "end, closed", "done"]
)
async def test_an_answer_without_a_finish_reason_is_broken_off(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, end: list[Any]
) -> None:
    await fake_openai.script([{"text": "Good "}, {"text": "mor"}, *end])

    assert await heard_before(OpenAIConnectionError, lean) == "Good mor"


UNREADABLE: dict[str, Any] = {
    "broken JSON": {"data": '{"choices": [{'},
    "broken UTF-8": {"raw64": base64.b64encode(b'data: {"a": "\xff\xfe"}\n\n').decode()},
    "a list": {"data": [1]},
    "a number": {"data": 5},
    "choices are no list": {"data": {"choices": 7}},
    "a choice is null": {"data": {"choices": [None]}},
    "no delta": {"data": {"choices": [{"index": 0}]}},
    "delta is a text": {"data": {"choices": [{"index": 0, "delta": "x"}]}},
    "content is a number": {"data": {"choices": [{"index": 0, "delta": {"content": 5}}]}},
    "a function is null": {
        "data": {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": None}]}}]}
    },
    "a huge event": {"data": HUGE},
}


@pytest.mark.parametrize("step", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_is_an_api_error_after_the_words_before_it(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, step: dict[str, Any]
) -> None:
    await fake_openai.script([{"text": "Good "}, step, {"text": "morning."}, *FINISH])

    assert await heard_before(UnreadableStreamError, lean) == "Good "
    assert issubclass(UnreadableStreamError, openai.APIError)
    await fake_openai.wait("request_started")


@pytest.mark.parametrize(
    "script",
    [
        [{"html": True}],
        [{"headers": {"Content-Type": "text/html"}}, {"stall": True}],
        [{"headers": {"Content-Type": "application/json"}}, {"raw": '{"choices": []}'}],
    ],
)
async def test_a_page_with_status_200_is_an_api_error(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, script: list[Any]
) -> None:
    await fake_openai.script(script)

    assert await heard_before(UnreadableStreamError, lean) == ""


async def test_what_follows_done_is_ignored(fake_openai: FakeOpenAI, lean: LeanChatOpenAI) -> None:
    await fake_openai.script([{"text": "All."}, *FINISH, {"text": " Not this."}, {"data": "{"}])

    assert (await merged(lean)).text == "All."


async def test_other_choices_are_ignored(fake_openai: FakeOpenAI, lean: LeanChatOpenAI) -> None:
    both = {"choices": [OTHER, {"index": 0, "delta": {"content": "Mine."}}]}
    other_end = {"choices": [{**OTHER, "delta": {}, "finish_reason": "length"}]}
    await fake_openai.script(
        [{"chunk": both}, {"chunk": {"choices": [OTHER]}}, {"chunk": other_end}, *FINISH]
    )

    message = await merged(lean)

    assert message.text == "Mine."
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "end",
    [
        [{"stall": True}],
        [{"comment": "ping"}, {"sleep_ms": 600}, {"comment": "ping"}, {"stall": True}],
        [{"sleep_ms": 20}, {"reset": True}],
        [{"cut": True}],
        [{"data": "{"}, {"stall": True}],
        [{"data": {"error": {"message": "boom"}}}],
    ],
    ids=["silence", "pings", "reset", "cut", "garbage", "error"],
)
async def test_a_finished_answer_is_complete_whatever_follows(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, end: list[Any]
) -> None:
    await fake_openai.script([{"text": "All."}, {"finish": "stop"}, *end])
    loop = asyncio.get_running_loop()
    begun = loop.time()

    assert (await merged(lean)).text == "All."
    assert loop.time() - begun < 1.3


async def test_usage_may_come_late(fake_openai: FakeOpenAI, lean: LeanChatOpenAI) -> None:
    await fake_openai.script(
        [{"text": "All."}, {"finish": "stop"}, {"sleep_ms": 150}, {"usage": True}, {"done": True}]
    )

    message: Any = await merged(lean)

    assert message.usage_metadata["input_tokens"] == 12


async def test_a_compressed_answer_is_read_all_the_same(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await fake_openai.script([{"gzip": True}, {"text": "Packed "}, {"text": "words."}, *FINISH])

    assert (await merged(lean)).text == "Packed words."


async def test_deltas_that_arrive_together_are_one_chunk(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    words = "".join(
        f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{n} "}}}}]}}\n\n'
        for n in range(5)
    )
    await fake_openai.script([{"raw": words}, {"sleep_ms": 30}, {"raw": words}, *FINISH])

    texts = [chunk.text async for chunk in lean.astream("hello")]

    assert [text for text in texts if text] == ["0 1 2 3 4 ", "0 1 2 3 4 "]


async def test_connecting_takes_no_longer_than_the_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):  # more than the queue takes: the next one waits
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
            async with lean_model(url, connect_timeout=0.1) as lean:
                assert await heard_before(OpenAITimeoutError, lean) == ""
