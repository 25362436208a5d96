"""What a model must do over every wire that the bridge reaches models over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.agent.toolrequests import MALFORMED
from bridge.app import Bridge
from tests.wire import (
    Wire,
    asking,
    dialled,
    noted,
    tool_call,
    watched,
    write_tool,
)
from tests.wires import ModelWire, running

APOLOGY = "I'm sorry, something went wrong on my side. Could you say that again?"
REPROMPT = "Sorry, I didn't catch that. Could you say it again?"

PRICE = '''
@tool
async def price(of: str, count: int = 1) -> str:
    """Look up a price."""
    note("ran", f"{of} {count}")
    return f"{of}: {7 * count}"
'''

SAY_NOTHING = [{"finish": "stop"}, {"done": True}]
CUT = [{"text": "The answer is"}, {"sleep_ms": 30}]


@pytest.fixture
async def bridge(tmp_path: Path, model: ModelWire) -> AsyncIterator[Bridge]:
    async with running(tmp_path, model) as bridge:
        yield bridge


@pytest.fixture
async def millis(bridge: Bridge) -> AsyncIterator[Wire]:
    async with dialled(bridge) as wire:
        yield wire


async def test_words_are_forwarded_as_the_model_says_them(millis: Wire, model: ModelWire) -> None:
    await model.fake.script({"say": "It is five o'clock, as always.", "gap_ms": 20})
    assert await millis.asked(1, "What time is it?") == "It is five o'clock, as always."
    assert len(millis.of(1)) > 3
    assert millis.endings(1) == 1


async def test_two_turns_use_one_connection(millis: Wire, model: ModelWire) -> None:
    await millis.asked(1, "one")
    assert await millis.asked(2, "one", "You said: one", "two") == "You said: two"
    first, second = await model.fake.requests()
    assert first["connection"] == second["connection"]


async def test_what_was_counted_is_told(bridge: Bridge, model: ModelWire) -> None:
    async with watched(bridge) as watch, dialled(bridge) as millis:
        await millis.start(0)
        await millis.ask(1, "hello")
        told = await watch.until("ModelAnswered", text="You said: hello")
        await millis.answer(1)
    # LangChain does not ask an OpenAI-compatible server for its counts: not all know how to.
    counted = (None, None) if model.provider == "openai" else (12, 34)
    assert (told["tokens_in"], told["tokens_out"]) == counted


async def test_a_tool_runs_after_the_words_before_it_and_the_model_reads_its_result(
    tmp_path: Path, model: ModelWire
) -> None:
    write_tool(tmp_path, "price", PRICE)
    call = tool_call("price", of="hats", count=3)
    await model.fake.script(asking(call, say="One moment."), {"say": "They cost 21."})
    async with running(tmp_path, model) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats?") == "One moment. They cost 21."
    assert noted(tmp_path, "ran") == ["hats 3"]
    assert model.results((await model.fake.requests())[-1]) == ["hats: 21"]


async def test_two_tools_of_one_message_both_run(tmp_path: Path, model: ModelWire) -> None:
    write_tool(tmp_path, "price", PRICE)
    hats, coats = tool_call("price", "c1", of="hats"), tool_call("price", "c2", of="coats")
    await model.fake.script(asking(hats, coats), {"say": "Seven each."})
    async with running(tmp_path, model) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats and coats?") == "Seven each."
    assert sorted(noted(tmp_path, "ran")) == ["coats 1", "hats 1"]
    assert model.results((await model.fake.requests())[-1]) == ["hats: 7", "coats: 7"]


@pytest.mark.parametrize("arguments", ['{"of": "hats", ', '{"of": "hats"', '"hats"', "[]"])
async def test_a_tool_whose_arguments_are_cut_does_not_run(
    tmp_path: Path, model: ModelWire, arguments: str
) -> None:
    if model.provider == "ollama":
        pytest.skip("its calls come whole")
    write_tool(tmp_path, "price", PRICE)
    call = {**tool_call("price"), "arguments": arguments}
    await model.fake.script(asking(call), {"say": "Say it again?"})
    async with running(tmp_path, model) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats?") == "Say it again?"
    assert noted(tmp_path, "ran") == []
    assert model.results((await model.fake.requests())[-1]) == [MALFORMED]


async def test_the_last_message_may_ask_for_no_tool(tmp_path: Path, model: ModelWire) -> None:
    write_tool(tmp_path, "price", PRICE)
    script = asking(tool_call("price", of="hats"))
    await model.fake.script(script, asking(tool_call("price", "c2", of="hats"), say="Seven."))
    async with running(tmp_path, model, max_model_calls=2) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats?") == "Seven."
        assert await millis.asked(2, "hats?", "Seven.", "thanks") == "You said: thanks"
    assert noted(tmp_path, "ran") == ["hats 1"]
    choice = (await model.fake.requests())[1]["body"].get("tool_choice")
    assert choice in ({"type": "none"}, "none") or model.provider == "ollama"


async def test_a_call_that_the_agent_greeted_is_answered(millis: Wire, model: ModelWire) -> None:
    body = [{"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "hi"}]
    await millis.send({"type": "stream_request", "data": {"stream_id": 1, "transcript": body}})
    assert await millis.answer(1) == "You said: hi"
    (request,) = await model.fake.requests()
    assert {"role": "assistant", "content": "Hello!"} in [
        {"role": line["role"], "content": line["content"]} for line in request["body"]["messages"]
    ]


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [401, 404])
async def test_a_refusal_is_not_tried_again(millis: Wire, model: ModelWire, status: int) -> None:
    await model.fake.script([{"status": status, "body": {"error": "canary"}}])
    assert await millis.asked(1, "hello") == APOLOGY
    assert len(await model.fake.requests()) == 1


@pytest.mark.parametrize("status", [500, 503, 529])
async def test_a_server_error_before_the_first_word_is_tried_once_more(
    millis: Wire, model: ModelWire, status: int
) -> None:
    await model.fake.script([{"status": status}])
    assert await millis.asked(1, "hello") == "You said: hello"
    assert len(await model.fake.requests()) == 2


async def test_a_rate_limit_is_waited_out(millis: Wire, model: ModelWire) -> None:
    await model.fake.script([{"status": 429, "headers": {"Retry-After": "0.3"}}])
    assert await millis.asked(1, "hello") == "You said: hello"
    first, second = await model.fake.requests()
    waited = second["started_at"] - first["started_at"]
    assert waited >= (0.04 if model.provider == "ollama" else 0.3)  # its errors have no headers


@pytest.mark.parametrize("ending", ["reset", "cut", "close", "malformed"])
async def test_a_stream_that_breaks_is_ended_decently_and_nothing_said_twice(
    millis: Wire, model: ModelWire, ending: str
) -> None:
    last = {"data": "{not json"} if ending == "malformed" else {ending: True}
    await model.fake.script([*CUT, last])
    assert await millis.asked(1, "hello") == f"The answer is {APOLOGY}"
    assert millis.endings(1) == 1
    assert len(await model.fake.requests()) == 1


async def test_a_call_of_a_tool_in_a_stream_that_just_stops_does_not_run(
    tmp_path: Path, model: ModelWire
) -> None:
    write_tool(tmp_path, "price", PRICE)
    await model.fake.script([{"tool_call": tool_call("price", of="hats")}, {"close": True}])
    async with running(tmp_path, model) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "hats?") == "You said: hats?"
    assert noted(tmp_path, "ran") == []


async def test_an_empty_answer_asks_the_caller_again(millis: Wire, model: ModelWire) -> None:
    await model.fake.script(SAY_NOTHING)
    assert (await millis.asked(1, "hello")).strip() == REPROMPT


async def test_an_answer_cut_by_its_limit_ends_without_an_apology(
    millis: Wire, model: ModelWire
) -> None:
    await model.fake.script([{"text": "One, two"}, {"finish": "length"}, {"done": True}])
    assert await millis.asked(1, "count") == "One, two"


async def test_thinking_is_not_spoken(millis: Wire, model: ModelWire) -> None:
    thought = {"reasoning": "the caller greets me"}
    await model.fake.script([thought, {"text": "Hi."}, *SAY_NOTHING])
    assert await millis.asked(1, "hello") == "Hi."


async def test_the_next_model_answers_when_the_first_fails(
    tmp_path: Path, model: ModelWire
) -> None:
    second = f"{model.provider}:second"
    await model.fake.script({"steps": [{"status": 529}], "times": 2, "match": "fake"})
    async with running(tmp_path, model, fallback_models=(second,)) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"
    asked = [request["body"]["model"] for request in await model.fake.requests()]
    assert asked == ["fake", "fake", "second"]
