"""Connections: kept, warmed, closed at once by an interrupt, and one set of them per event loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from pydantic import SecretStr

from bridge.agent.lean import LeanChatOpenAI
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import lean_model, merged

LONG = {"say": "word " * 400, "gap_ms": 5}
FINISH: list[Any] = [{"finish": "stop"}, {"done": True}]


@pytest.fixture
async def lean(fake_openai: FakeOpenAI) -> AsyncIterator[LeanChatOpenAI]:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as model:
        yield model


async def connections(fake_openai: FakeOpenAI) -> list[int]:
    return [record["connection"] for record in await fake_openai.requests()]


@pytest.mark.parametrize(
    "script",
    [
        {"say": "One two."},
        [{"text": "One."}, *FINISH, {"sleep_ms": 30}, {"comment": "bye"}],
        {"status": 429},
    ],
    ids=["as usual", "the body ends late", "refused"],
)
async def test_two_turns_use_one_connection(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, script: Any
) -> None:
    await fake_openai.script(script)
    await asyncio.gather(merged(lean), return_exceptions=True)

    await merged(lean)

    first, second = await connections(fake_openai)
    assert first == second


async def test_a_body_that_does_not_end_costs_its_connection_and_a_tenth_of_a_second(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await fake_openai.script([{"text": "One."}, *FINISH, {"stall": True}])
    begun = time.monotonic()

    assert (await merged(lean)).text == "One."

    assert time.monotonic() - begun < 5, "and not until the server ends it"
    await fake_openai.wait("client_left")


async def test_the_first_turn_finds_a_warm_connection(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await lean.warm()
    await fake_openai.wait("connected")

    await merged(lean)
    await lean.warm()  # has one, needs none
    await merged(lean)

    first, second = await connections(fake_openai)
    assert first == second
    async with lean_model(fake_openai.base_url) as other:
        await merged(other)
    assert (await connections(fake_openai))[2] == first + 1  # so the warm one was the first's


async def test_warming_never_fails() -> None:
    async with lean_model("http://127.0.0.1:9/v1") as refused:
        await refused.warm()
    async with lean_model("http://127.0.0.1:9/v1", use_responses_api=True) as stock:
        await stock.warm()


@pytest.mark.parametrize("gap_ms", [1, 5, 20])
async def test_an_interrupt_reaches_the_server_at_once(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, gap_ms: int
) -> None:
    await fake_openai.script({"say": "word " * 4000, "gap_ms": gap_ms, "times": 30})
    left_at: list[float] = []

    for trial in range(30):
        task = asyncio.create_task(merged(lean))
        await asyncio.sleep(0.0013 * trial)
        left_at.append(time.monotonic())
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    records = await fake_openai.requests()  # the first was cancelled before it was sent
    await fake_openai.wait("client_left", len(records))
    for record in await fake_openai.requests():
        # A server that was held up meanwhile may have begun after all were cancelled.
        cancelled_at = next((at for at in left_at if at > record["started_at"]), left_at[-1])
        assert record["client_left_at"] - cancelled_at < 2
        assert not record["finished"]


@pytest.mark.parametrize(
    "script",
    [[{"stall": "unanswered"}], [{"stall": True}], [{"text": "a"}, {"stall": True}]],
    ids=["before the head", "before the first word", "after it"],
)
async def test_an_interrupt_ends_a_stalled_answer(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, script: list[Any]
) -> None:
    await fake_openai.script(script)
    task = asyncio.create_task(merged(lean))
    await fake_openai.wait("request_started")

    cancelled_at = time.monotonic()
    task.cancel()
    await asyncio.wait({task})

    await fake_openai.wait("client_left")
    assert (await fake_openai.requests())[0]["client_left_at"] - cancelled_at < 0.05


class SlowMouth(AsyncCallbackHandler):
    """Still busy with the first word when the interrupt comes."""

    raise_error = True

    def __init__(self) -> None:
        self.busy = asyncio.Event()

    async def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.busy.set()
        await asyncio.sleep(60)


async def test_an_interrupt_that_meets_a_callback_closes_the_connection_too(
    fake_openai: FakeOpenAI,
) -> None:
    await fake_openai.reset()
    await fake_openai.script(LONG)
    mouth = SlowMouth()
    async with lean_model(fake_openai.base_url, streaming=True) as lean:
        task = asyncio.create_task(lean.ainvoke("hello", {"callbacks": [mouth]}))
        await mouth.busy.wait()

        cancelled_at = time.monotonic()
        task.cancel()
        await asyncio.wait({task})

        await fake_openai.wait("client_left")
        assert (await fake_openai.requests())[0]["client_left_at"] - cancelled_at < 0.05


async def test_leaving_the_stream_early_closes_the_connection(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await fake_openai.script(LONG)

    async with aclosing(cast("Any", lean.astream("hello"))) as chunks:
        async for _ in chunks:
            break

    await fake_openai.wait("client_left")


async def test_a_turn_after_an_interrupt_gets_its_own_answer(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI
) -> None:
    await fake_openai.script(LONG)
    task = asyncio.create_task(merged(lean))
    await fake_openai.wait("first_chunk_sent")
    task.cancel()
    await asyncio.wait({task})

    assert (await merged(lean, "again")).text == "You said: again"


async def test_many_turns_at_once_do_not_mix(fake_openai: FakeOpenAI, lean: LeanChatOpenAI) -> None:
    messages = await asyncio.gather(*(merged(lean, f"number {n}") for n in range(50)))

    assert [message.text for message in messages] == [f"You said: number {n}" for n in range(50)]


def test_one_model_works_in_two_event_loops(fake_openai: FakeOpenAI) -> None:
    model = LeanChatOpenAI(
        model="gpt-4.1-mini", api_key=SecretStr("k"), base_url=fake_openai.base_url
    )

    async def turn() -> str:
        text = (await merged(model, "loop")).text
        await model.aclose()
        return text

    assert [asyncio.run(turn()), asyncio.run(turn())] == ["You said: loop", "You said: loop"]


async def test_closing_twice_or_unused_is_fine(lean: LeanChatOpenAI) -> None:
    await lean.aclose()
    await lean.aclose()
