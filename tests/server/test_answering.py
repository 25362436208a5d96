"""The whole path: Millis's frames in, a real HTTP model server behind, frames out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Wire, bridge_running, dialled

APOLOGY = "I'm sorry, something went wrong on my side. Could you say that again?"
REPROMPT = "Sorry, I didn't catch that. Could you say it again?"


@pytest.fixture
async def bridge(tmp_path: Path, openai: FakeOpenAI) -> AsyncIterator[Bridge]:
    async with bridge_running(tmp_path, openai.base_url) as running:
        yield running


@pytest.fixture
async def millis(bridge: Bridge) -> AsyncIterator[Wire]:
    async with dialled(bridge) as wire:
        yield wire


async def test_words_are_forwarded_as_the_model_says_them(millis: Wire, openai: FakeOpenAI) -> None:
    await openai.script({"say": "It is five o'clock.", "gap_ms": 20})
    assert await millis.asked(1, "What time is it?") == "It is five o'clock."
    contents = [frame["content"] for frame in millis.of(1)]
    assert len(contents) > 3
    assert contents[-1] == ""
    assert millis.endings(1) == 1


async def test_the_model_reads_the_prompt_and_the_conversation(
    millis: Wire, openai: FakeOpenAI
) -> None:
    await millis.asked(1, "hi", "hello", "how are you?")
    (request,) = await openai.requests()
    roles = [(line["role"], line["content"]) for line in request["body"]["messages"]]
    assert [role for role, _ in roles] == ["system", "user", "assistant", "user"]
    assert roles[1:] == [("user", "hi"), ("assistant", "hello"), ("user", "how are you?")]
    assert request["headers"]["authorization"] == "Bearer sk-test"


async def test_two_turns_use_one_connection_to_the_model(millis: Wire, openai: FakeOpenAI) -> None:
    await millis.asked(1, "one")
    await millis.asked(2, "one", "You said: one", "two")
    first, second = await openai.requests()
    assert first["connection"] == second["connection"]


async def test_a_newer_request_closes_the_older_ones_model_request(
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "Well"}, {"stall": True}])
    await millis.ask(1, "one")
    await millis.first_word(1)
    await millis.asked(2, "one", "Well", "two")
    await openai.wait("client_left")
    assert millis.said(1) == "Well"
    assert not millis.ended(1)
    assert millis.said(2).endswith("two")


async def test_a_hang_up_closes_the_model_request(bridge: Bridge, openai: FakeOpenAI) -> None:
    await openai.script([{"text": "Well"}, {"stall": True}])
    async with dialled(bridge) as millis:
        await millis.ask(1, "one")
        await millis.first_word(1)
    await openai.wait("client_left")


# ── the model fails: faults C1–C22 ───────────────────────────────────────────────────────────────


async def test_no_server_is_apologised_for(tmp_path: Path) -> None:  # C1
    async with bridge_running(tmp_path) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hello") == APOLOGY
        assert millis.endings(1) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_not_tried_again(  # C2
    millis: Wire, openai: FakeOpenAI, status: int
) -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-canary"}}
    await openai.script([{"status": status, "body": body}])
    assert await millis.asked(1, "hello") == APOLOGY
    assert len(await openai.requests()) == 1


async def test_a_rate_limit_with_a_long_wait_is_not_waited_out(  # C3
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"status": 429, "body": {}, "headers": {"Retry-After": "60"}}])
    assert await millis.asked(1, "hello") == APOLOGY
    assert len(await openai.requests()) == 1


async def test_a_rate_limit_with_a_short_wait_is_waited_out(
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"status": 429, "body": {}, "headers": {"Retry-After": "0.3"}}])
    assert await millis.asked(1, "hello") == "You said: hello"
    first, second = await openai.requests()
    assert second["started_at"] - first["started_at"] >= 0.3


@pytest.mark.parametrize("status", [500, 502, 503, 408])
async def test_a_server_error_before_the_first_word_is_tried_once_more(  # C4
    millis: Wire, openai: FakeOpenAI, status: int
) -> None:
    await openai.script([{"status": status, "body": {}}])
    assert await millis.asked(1, "hello") == "You said: hello"
    assert len(await openai.requests()) == 2


CUT = [{"text": "The answer is"}, {"sleep_ms": 30}]


@pytest.mark.parametrize(
    "ending",
    [
        [{"reset": True}],
        [{"cut": True}],
        [{"close": True}],  # C8: a clean end without a finish reason
        [{"data": {"error": {"message": "canary: overloaded", "code": 500}}}],
        [{"raw": "data: {not json\n\n"}],
    ],
    ids=["reset", "cut", "no finish reason", "error event", "malformed"],
)
async def test_a_stream_that_breaks_is_ended_decently_and_nothing_said_twice(  # C5, C8, C9
    millis: Wire, openai: FakeOpenAI, ending: list[dict[str, object]]
) -> None:
    await openai.script([*CUT, *ending])
    assert await millis.asked(1, "hello") == f"The answer is {APOLOGY}"
    assert millis.endings(1) == 1
    assert len(await openai.requests()) == 1


@pytest.mark.parametrize(
    "script",
    [
        [{"html": True}],
        [{"raw": "data: {not json\n\n"}],
        [{"raw64": "ZGF0YTogeyJhIjogIv8ifQoK"}],  # bad UTF-8
        [{"close": True}],
        [{"gzip": True}, {"text": "hi"}, {"close": True}],
    ],
    ids=["a page", "malformed", "bad utf-8", "nothing", "compressed"],
)
async def test_a_broken_answer_before_the_first_word_is_tried_once_more(  # C9
    millis: Wire, openai: FakeOpenAI, script: list[dict[str, object]]
) -> None:
    await openai.script(script)
    said = await millis.asked(1, "hello")
    assert said in ("You said: hello", f"hi {APOLOGY}")
    assert millis.endings(1) == 1


async def test_silence_before_the_first_token_is_given_up(  # C6
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"stall": "unanswered"}])
    async with bridge_running(tmp_path, openai.base_url, first_word_timeout=0.3) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == APOLOGY
    await openai.wait("client_left")


@pytest.mark.parametrize("noise", [[], [{"comment": "ping"}, {"sleep_ms": 60}] * 20])
async def test_a_stream_that_stalls_is_given_up_though_comments_come(  # C7
    tmp_path: Path, openai: FakeOpenAI, noise: list[dict[str, object]]
) -> None:
    await openai.script([{"text": "Well,"}, *noise, {"stall": True}])
    async with bridge_running(tmp_path, openai.base_url, token_timeout=0.3) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == f"Well, {APOLOGY}"
    await openai.wait("client_left")


@pytest.mark.parametrize(
    "script",
    [
        [{"finish": "stop"}, {"done": True}],
        [{"text": "  \n "}, {"finish": "stop"}, {"done": True}],
        [{"text": "<think>the user greets</think>"}, {"finish": "stop"}, {"done": True}],
        [{"finish": "content_filter"}, {"done": True}],
    ],
)
async def test_an_empty_answer_asks_the_caller_again(  # C10, C11
    millis: Wire, openai: FakeOpenAI, script: list[dict[str, object]]
) -> None:
    await openai.script(script)
    assert (await millis.asked(1, "hello")).strip() == REPROMPT
    assert millis.endings(1) == 1


async def test_only_done_is_a_failure_and_tried_once_more(  # C10
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"done": True}])
    assert await millis.asked(1, "hello") == "You said: hello"


async def test_an_answer_cut_by_the_model_ends_without_an_apology(  # C11
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "One, two"}, {"finish": "length"}, {"done": True}])
    assert await millis.asked(1, "count") == "One, two"


async def test_what_does_not_belong_to_the_answer_is_ignored(  # C12
    millis: Wire, openai: FakeOpenAI
) -> None:
    other = {"index": 1, "delta": {"content": "another choice"}, "finish_reason": None}
    await openai.script(
        [
            {"chunk": {"choices": []}},
            {"chunk": {"choices": [other]}},
            {"reasoning": "the caller greets me"},
            {"text": "Hi."},
            {"finish": "stop"},
            {"usage": True},
            {"done": True},
            {"text": "after the end"},
        ]
    )
    assert await millis.asked(1, "hello") == "Hi."


async def test_a_huge_answer_is_cut_and_the_request_closed(  # C17
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "x" * 1_000_000}, {"stall": True}])
    assert len(await millis.asked(1, "hello")) == 4000
    await openai.wait("client_left")


@pytest.mark.parametrize("size", [1, 1000])
async def test_how_the_answer_is_cut_into_chunks_does_not_matter(  # C18
    millis: Wire, openai: FakeOpenAI, size: int
) -> None:
    text = "Fine, thank you. It costs $3.50, doesn't it?"
    tokens = [text[i : i + size] for i in range(0, len(text), size)]
    await openai.script([{"tokens": tokens}, {"finish": "stop"}, {"done": True}])
    assert await millis.asked(1, "hello") == text


async def test_what_cannot_be_spoken_is_not_sent(  # C19
    millis: Wire, openai: FakeOpenAI
) -> None:
    text = '<think>hm</think>**Sure** 😀, see `it`:\n```json\n{"a": 1}\n```\n# Done'
    await openai.script([{"tokens": list(text)}, {"finish": "stop"}, {"done": True}])
    said = await millis.asked(1, "hello")
    assert "Sure" in said
    assert "Done" in said
    assert not set("*`#{}<>😀") & set(said)
    assert "hm" not in said


async def test_a_slow_drip_is_ended_by_the_turn_limit(  # C20
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"tokens": ["la "] * 200, "gap_ms": 50}])
    async with bridge_running(tmp_path, openai.base_url, turn_timeout=0.5) as bridge:
        async with dialled(bridge) as millis:
            said = await millis.asked(1, "sing")
    assert said.startswith("la la")
    assert said.endswith(APOLOGY)


async def test_many_stuck_calls_do_not_keep_another_waiting(  # C21
    bridge: Bridge, openai: FakeOpenAI
) -> None:
    stuck = 120  # more than the 100 of the SDK's pool
    await openai.script({"steps": [{"stall": True}], "times": stuck, "match": "stuck"})
    async with asyncio.TaskGroup() as calls:
        free = asyncio.Event()

        async def hold() -> None:
            async with dialled(bridge) as wire:
                await wire.ask(1, "stuck")
                await free.wait()

        for _ in range(stuck):
            calls.create_task(hold())
        await openai.wait("request_started", stuck)
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"
        free.set()


async def test_a_model_that_keeps_failing_is_not_asked_for_a_while(  # C22
    bridge: Bridge, openai: FakeOpenAI
) -> None:
    await openai.script({"steps": [{"status": 500, "body": {}}], "times": 100})
    async with dialled(bridge) as millis:
        for turn in range(1, 7):
            assert await millis.asked(turn, f"hello {turn}") == APOLOGY
    asked = len(await openai.requests())
    async with dialled(bridge) as millis:
        assert await millis.asked(1, "hello") == APOLOGY
    assert len(await openai.requests()) == asked == 10


# ── fallback models ──────────────────────────────────────────────────────────────────────────────


async def test_the_next_model_answers_when_the_first_fails(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"status": 401, "body": {}}], match="fake")
    names = ("openai:second", "openai:third")
    async with bridge_running(tmp_path, openai.base_url, fallback_models=names) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"
    assert [r["body"]["model"] for r in await openai.requests()] == ["fake", "second"]


async def test_a_stalling_model_leaves_the_next_its_share_of_the_time(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"stall": True}], match="fake")
    settings = {"fallback_models": ("openai:second",), "first_word_timeout": 0.8}
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"


async def test_no_other_model_goes_on_after_a_word_was_spoken(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([*CUT, {"reset": True}], match="fake")
    names = ("openai:second",)
    async with bridge_running(tmp_path, openai.base_url, fallback_models=names) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == f"The answer is {APOLOGY}"
    assert len(await openai.requests()) == 1
