"""What only Anthropic's wire has, through a whole bridge. The rest is in test_wires.py."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.app import Bridge
from tests.fake_anthropic.client import FakeAnthropic
from tests.fake_anthropic.play import error_of
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    dialled,
    noted,
    served,
    tool_call,
    write_tool,
)

APOLOGY = "I'm sorry, something went wrong on my side. Could you say that again?"
KEY = "sk-ant-canary-1234567890"
MODEL = "anthropic:claude-fake"
CUT: list[dict[str, Any]] = [{"text": "The answer is"}, {"sleep_ms": 30}]
END: list[dict[str, Any]] = [{"finish": "stop"}, {"done": True}]


@pytest.fixture(autouse=True)
def at_the_fake(monkeypatch: pytest.MonkeyPatch, anthropic: FakeAnthropic) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", anthropic.base_url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with bridge_running(tmp_path, model=MODEL, temperature=0.3) as running:
        yield running


@pytest.fixture
async def millis(bridge: Bridge) -> AsyncIterator[Wire]:
    async with dialled(bridge) as wire:
        yield wire


async def test_the_request_is_for_a_phone_call(millis: Wire, anthropic: FakeAnthropic) -> None:
    assert await millis.asked(1, "hello") == "You said: hello"
    (request,) = await anthropic.requests()
    body = request["body"]
    assert (body["model"], body["max_tokens"]) == ("claude-fake", 4096)
    assert (body["temperature"], body["stream"]) == (0.3, True)
    assert "phone call" in body["system"]
    assert request["headers"]["x-stainless-retry-count"] == "0"


async def test_the_connection_is_there_before_the_caller_speaks(
    millis: Wire, anthropic: FakeAnthropic
) -> None:
    await anthropic.wait("connected")
    await millis.asked(1, "hello")
    assert (await anthropic.requests())[0]["connection"] > 0


async def test_pings_say_nothing(millis: Wire, anthropic: FakeAnthropic) -> None:
    ping = {"comment": "ping"}
    await anthropic.script([ping, {"text": "Fine,"}, ping, {"text": " thanks."}, ping, *END])
    assert await millis.asked(1, "hello") == "Fine, thanks."


async def test_pings_do_not_keep_a_silent_answer_alive(
    tmp_path: Path, anthropic: FakeAnthropic
) -> None:
    pings = [{"comment": "ping"}, {"sleep_ms": 60}] * 20
    await anthropic.script([{"text": "Well,"}, *pings, {"stall": True}])
    async with bridge_running(tmp_path, model=MODEL, token_timeout=0.3) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == f"Well, {APOLOGY}"
    await anthropic.wait("client_left")


async def test_text_in_two_blocks_is_one_answer(millis: Wire, anthropic: FakeAnthropic) -> None:
    thought = {"reasoning": "the caller greets"}
    await anthropic.script([thought, {"text": "Good"}, thought, {"text": " day."}, *END])
    assert await millis.asked(1, "hello") == "Good day."


async def test_a_thought_goes_back_with_the_tool_it_led_to(
    tmp_path: Path, anthropic: FakeAnthropic
) -> None:
    code = '''
    @tool
    async def price(of: str) -> str:
        """Look up a price."""
        return "seven"
    '''
    write_tool(tmp_path, "price", code)
    thought: dict[str, Any] = {"reasoning": "they want hats"}
    call = tool_call("price", "toolu_1", of="hats")
    await anthropic.script([thought, *asking(call, say="One moment.")], {"say": "Seven."})
    async with bridge_running(tmp_path, model=MODEL) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats?") == "One moment. Seven."
    said, result = (await anthropic.requests())[-1]["body"]["messages"][-2:]
    assert [block["type"] for block in said["content"]] == ["thinking", "text", "tool_use"]
    assert said["content"][0]["signature"] == "c2lnbmVk"
    assert said["content"][2] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "price",
        "input": {"of": "hats"},
    }
    assert (result["role"], result["content"][0]["tool_use_id"]) == ("user", "toolu_1")


@pytest.mark.parametrize("kind", ["overloaded_error", "api_error", "rate_limit_error"])
async def test_an_error_event_before_the_first_word_is_tried_once_more(
    millis: Wire, anthropic: FakeAnthropic, kind: str
) -> None:
    await anthropic.script([{"data": error_of(kind)}])
    assert await millis.asked(1, "hello") == "You said: hello"
    assert len(await anthropic.requests()) == 2


@pytest.mark.parametrize("kind", ["authentication_error", "invalid_request_error"])
async def test_an_error_event_that_will_come_again_is_not(
    millis: Wire, anthropic: FakeAnthropic, kind: str
) -> None:
    await anthropic.script([{"data": error_of(kind)}])
    assert await millis.asked(1, "hello") == APOLOGY
    assert len(await anthropic.requests()) == 1


async def test_an_error_event_in_mid_stream_ends_the_answer_decently(
    millis: Wire, anthropic: FakeAnthropic
) -> None:
    await anthropic.script([*CUT, {"data": error_of("overloaded_error")}])
    assert await millis.asked(1, "hello") == f"The answer is {APOLOGY}"
    assert len(await anthropic.requests()) == 1


async def test_another_wires_model_answers_for_one_that_is_overloaded(
    tmp_path: Path, anthropic: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    await anthropic.script({"steps": [{"data": error_of("overloaded_error")}], "times": 2})
    names = ("ollama:absent", "anthropic:second")
    async with bridge_running(tmp_path, model=MODEL, fallback_models=names) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"
    assert [r["body"]["model"] for r in await anthropic.requests()][-1] == "second"


async def test_a_stop_reason_without_a_message_stop_is_an_answer(
    millis: Wire, anthropic: FakeAnthropic
) -> None:
    await anthropic.script([{"text": "Fine."}, {"finish": "stop"}, {"close": True}])
    assert await millis.asked(1, "hello") == "Fine."


async def test_a_message_that_only_begins_is_tried_once_more(
    millis: Wire, anthropic: FakeAnthropic
) -> None:
    await anthropic.script([{"reasoning": "hm"}, {"close": True}])
    assert await millis.asked(1, "hello") == "You said: hello"


async def test_a_tool_cut_by_the_token_limit_does_not_run(
    tmp_path: Path, anthropic: FakeAnthropic
) -> None:
    code = '''
    @tool
    async def book(room: str, nights: int = 1) -> str:
        """Book a room."""
        note("ran", room)
        return "booked"
    '''
    write_tool(tmp_path, "book", code)
    call = {**tool_call("book"), "arguments": '{"room": "7", "nights": '}
    script = [{"tool_call": call, "chunked": 3}, {"stop_reason": "max_tokens"}, {"done": True}]
    await anthropic.script(script, {"say": "For how long?"})
    async with bridge_running(tmp_path, model=MODEL) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "book room 7") == "For how long?"
    assert noted(tmp_path, "ran") == []


async def test_the_key_is_nowhere_in_the_log(tmp_path: Path, anthropic: FakeAnthropic) -> None:
    refusal = error_of("authentication_error", f"invalid x-api-key: {KEY}")
    await anthropic.script([{"status": 401, "body": refusal}], [{"data": refusal}])
    variables = {"ANTHROPIC_BASE_URL": anthropic.base_url, "ANTHROPIC_API_KEY": KEY}
    settings = {"BRIDGE_MODEL": MODEL, "BRIDGE_RECORD": "off", "BRIDGE_LOG_LEVEL": "debug"}
    async with served(tmp_path, **variables, **settings) as bridge:
        async with dialled(cast("Bridge", bridge)) as millis:  # all it asks for is the port
            assert await millis.asked(1, "hello") == APOLOGY
            assert await millis.asked(2, "hello") == APOLOGY
        _, out, err = await bridge.stop()
    assert "refused_key" in err
    assert KEY not in bridge.welcome + out + err
