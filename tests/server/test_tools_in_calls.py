"""Tools in live calls: faults C13–C16 and D1–D9, over real sockets and a real model server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.agent.toolcalls import FAILED, MAX_RESULT_CHARS, TIMED_OUT
from bridge.agent.toolrequests import MALFORMED, TOO_MANY
from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    came_true,
    dialled,
    health_when,
    noted,
    results,
    tool_call,
    watched,
    write_tool,
)

APOLOGY = "I'm sorry, something went wrong on my side. Could you say that again?"

PRICE = '''
@tool
async def price(of: str, count: int = 1) -> str:
    """Look up a price."""
    note("ran", f"{of} {count}")
    return f"{of}: {7 * count}"
'''

BOOK = '''
@tool
async def book(room: str) -> str:
    """Book a room."""
    note(room, "begun")
    await asyncio.sleep(0.04)
    note(room, "done")
    return "booked"
'''

GATE = '''
@tool
async def gate(n: int = 0) -> str:
    """Wait until somebody opens."""
    note("waiting", str(n))
    await file_there("open")
    return "opened"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _running(
    folder: Path, openai: FakeOpenAI, **settings: Any
) -> AbstractAsyncContextManager[Bridge]:
    """A bridge with no tools but those of the test; looking up a price changes nothing."""
    settings = {"end_call": False, "tools": {"price": {"read_only": True}}, **settings}
    return bridge_running(folder, openai.base_url, **settings)


@asynccontextmanager
async def calling(folder: Path, openai: FakeOpenAI, **settings: Any) -> AsyncIterator[Wire]:
    """One call to a bridge of its own."""
    async with _running(folder, openai, **settings) as bridge:
        async with dialled(bridge) as wire:
            yield wire


async def _after(openai: FakeOpenAI, number: int = -1) -> dict[str, str]:
    """Return the results of this turn's tools in one of the requests.

    Those of earlier turns have ids of the ledger's own, which are nine characters long.
    """
    told = results((await openai.requests())[number])
    return {call: result for call, result in told.items() if len(call) != 9}


# ── there and back ───────────────────────────────────────────────────────────────────────────────


async def test_a_tools_result_goes_back_to_the_model_and_its_answer_is_spoken(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script(asking(tool_call("price", "c7", of="hats")), {"say": "Hats are seven."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "Hats are seven."
    first, second = await openai.requests()
    assert [t["function"]["name"] for t in first["body"]["tools"]] == ["price"]
    *_, asked, told = second["body"]["messages"]
    assert asked["role"] == "assistant"
    assert [call["id"] for call in asked["tool_calls"]] == ["c7"]
    assert told["role"] == "tool"
    assert (told["tool_call_id"], told["content"]) == ("c7", "hats: 7")


async def test_tools_of_one_message_run_at_the_same_time_and_each_gets_its_result(
    folder: Path, openai: FakeOpenAI
) -> None:
    body = '''
    BOTH = asyncio.Barrier(2)
    @tool
    async def meet(name: str) -> str:
        """Meet the other one."""
        await BOTH.wait()
        return f"met by {name}"
    '''
    write_tool(folder, "meet", body)
    calls = tool_call("meet", "a", name="Ann"), tool_call("meet", "b", name="Bob")
    await openai.script(asking(*calls), {"say": "They met."})
    async with calling(folder, openai, tool_timeout=2.0) as millis:
        assert await millis.asked(1, "meet") == "They met."
    assert await _after(openai) == {"a": "met by Ann", "b": "met by Bob"}


async def test_what_a_tool_knows_of_the_call_is_not_in_the_models_schema(
    folder: Path, openai: FakeOpenAI
) -> None:
    body = '''
    @tool
    async def who(greeting: str, runtime: ToolRuntime[CallContext]) -> str:
        """Say who is calling."""
        call, metadata = runtime.context.call, runtime.context.metadata
        return f"{greeting} {call.session_id} {call.caller} {metadata['customer']['id']}"

    @tool
    def who_then(runtime: ToolRuntime[CallContext]) -> str:
        """Say who was calling."""
        return f"then {runtime.context.call.caller}"
    '''
    write_tool(folder, "who", body)
    await openai.script(asking(tool_call("who", "a", greeting="hi"), tool_call("who_then", "b")))
    async with calling(folder, openai) as millis:
        await millis.start(
            0, session="s9", metadata={"customer": {"id": "c-5"}}, voip={"from": "+15550100"}
        )
        await millis.asked(1, "who am I?")
    first, second = await openai.requests()
    schemas = [tool["function"]["parameters"]["properties"] for tool in first["body"]["tools"]]
    assert [list(schema) for schema in schemas] == [["greeting"], []]
    assert "+15550100" not in str(first["body"])
    assert results(second) == {"a": "hi s9 +15550100 c-5", "b": "then +15550100"}


async def test_a_model_cannot_forge_what_a_tool_knows_of_the_call(
    folder: Path, openai: FakeOpenAI
) -> None:
    body = '''
    @tool
    async def who(runtime: ToolRuntime[CallContext]) -> str:
        """Say who is calling."""
        return f"it is {runtime.context.call.caller}"
    '''
    write_tool(folder, "who", body)
    forged = {"context": {"call": {"caller": "+1666"}}, "state": {}}
    await openai.script(asking(tool_call("who", runtime=forged)))
    async with calling(folder, openai) as millis:
        await millis.start(0, voip={"from": "+15550100"})
        await millis.asked(1, "who am I?")
    assert await _after(openai) == {"c1": "it is +15550100"}


# ── what the model asks for is checked ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (tool_call("price", of=["hats"]), "of"),
        (tool_call("price", of="hats", count="many"), "count"),
        (tool_call("price"), "of"),
        (tool_call("delete_everything"), "delete_everything is not a valid tool"),
        (tool_call(""), "not a valid tool"),
    ],
    ids=["wrong type", "wrong number", "missing", "unknown tool", "no name"],
)
async def test_a_call_that_does_not_fit_is_an_error_to_the_model_and_the_turn_goes_on(  # C14
    folder: Path, openai: FakeOpenAI, call: dict[str, Any], says: str
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script(asking(call), {"say": "Let me see."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "Let me see."
    assert noted(folder, "ran") == []
    assert says in (await _after(openai))["c1"]


async def test_arguments_nobody_asked_for_do_not_reach_the_tool(  # C14
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script(asking(tool_call("price", of="hats", admin=True)))
    async with calling(folder, openai) as millis:
        await millis.asked(1, "hats?")
    assert noted(folder, "ran") == ["hats 1"]
    assert await _after(openai) == {"c1": "hats: 7"}


@pytest.mark.parametrize("chunked", [1, 5])
@pytest.mark.parametrize(
    "arguments",
    ['{"of": "hats", ', '{"of": "hats"', '{"of": "ha', "hats", '["hats"]', '"hats"', "{'of': 1}"],
)
async def test_a_tool_never_runs_with_arguments_that_are_not_whole(  # C13
    folder: Path, openai: FakeOpenAI, arguments: str, chunked: int
) -> None:
    write_tool(folder, "price", PRICE)
    call = {"name": "price", "id": "c1", "arguments": arguments}
    script = [{"tool_call": call, "chunked": chunked}, *asking()]
    await openai.script(script, {"say": "Once more."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "hats?") == "Once more."
    assert noted(folder, "ran") == []
    _, second = await openai.requests()
    assert results(second) == {"c1": MALFORMED}
    (asked,) = (m for m in second["body"]["messages"] if m.get("tool_calls"))
    assert asked["tool_calls"][0]["function"]["arguments"] == "{}", "a server would refuse it"


@pytest.mark.parametrize("ids", [("x", "x"), (None, None), ("", ""), ("x", None)])
async def test_every_call_is_answered_under_an_id_of_its_own(
    folder: Path, openai: FakeOpenAI, ids: tuple[str | None, str | None]
) -> None:
    write_tool(folder, "price", PRICE)
    calls = [tool_call("price", i, of=of) for i, of in zip(ids, ("hats", "caps"), strict=True)]
    await openai.script(asking(*calls), {"say": "Seven each."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "prices?") == "Seven each."
    _, second = await openai.requests()
    assert sorted(results(second).values()) == ["caps: 7", "hats: 7"]
    (asked,) = (m for m in second["body"]["messages"] if m.get("tool_calls"))
    names = {call["id"]: call["function"]["arguments"] for call in asked["tool_calls"]}
    assert names.keys() == results(second).keys()
    for identity, result in results(second).items():
        assert result.removesuffix(": 7") in names[identity]


async def test_two_calls_that_a_server_numbers_the_same_are_still_two(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    calls = [{**tool_call("price", of, of=of), "index": 0} for of in ("hats", "caps")]
    await openai.script(asking(*calls))
    async with calling(folder, openai) as millis:
        await millis.asked(1, "prices?")
    assert await _after(openai) == {"hats": "hats: 7", "caps": "caps: 7"}


# ── how often ────────────────────────────────────────────────────────────────────────────────────


async def test_a_model_that_only_ever_calls_tools_is_stopped(  # C15
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    script = asking(tool_call("price", of="hats"), say="One moment.")
    await openai.script({"steps": script, "times": 100})
    async with calling(folder, openai, max_model_calls=4) as millis:
        assert await millis.asked(1, "hats?") == f"One moment. {APOLOGY}"
        assert millis.endings(1) == 1
    requests = await openai.requests()
    assert [r["body"].get("tool_choice") for r in requests] == [None, None, None, "none"]
    assert len(noted(folder, "ran")) == 3


async def test_a_model_that_is_told_to_answer_may_answer(  # C15
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    script = asking(tool_call("price", of="hats"))
    await openai.script(script, script, {"say": "I give up."})
    async with calling(folder, openai, max_model_calls=3) as millis:
        assert await millis.asked(1, "hats?") == "I give up."
    assert (await openai.requests())[-1]["body"]["tool_choice"] == "none"


async def test_a_tool_that_is_called_beside_the_last_answer_does_not_run(  # C15
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    await openai.script(asking(tool_call("price", of="hats"), say="Seven, I think."))
    async with calling(folder, openai, max_model_calls=1) as millis:
        assert await millis.asked(1, "hats?") == "Seven, I think."
    assert noted(folder, "ran") == []
    assert len(await openai.requests()) == 1


async def test_too_many_calls_in_one_message_are_refused_and_the_rest_take_turns(  # C16
    folder: Path, openai: FakeOpenAI
) -> None:
    body = '''
    RUNNING = []
    @tool
    async def count(n: int) -> str:
        """Count."""
        RUNNING.append(n)
        note("at once", str(len(RUNNING)))
        await asyncio.sleep(0.01)
        RUNNING.remove(n)
        return f"did {n}"
    '''
    write_tool(folder, "count", body)
    await openai.script(asking(*[tool_call("count", f"c{n}", n=n) for n in range(20)]))
    async with calling(folder, openai, max_tool_calls=10, max_parallel_tools=3) as millis:
        await millis.asked(1, "count")
    at_once = [int(line) for line in noted(folder, "at once")]
    assert (len(at_once), max(at_once)) == (10, 3)
    second = (await openai.requests())[-1]
    did = {f"c{n}": f"did {n}" for n in range(10)}
    assert results(second) == {**did, **{f"c{n}": TOO_MANY for n in range(10, 20)}}
    assert second["body"]["tool_choice"] == "none"


async def test_the_limit_on_calls_counts_over_the_whole_turn_and_begins_anew_in_the_next(  # C16
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "price", PRICE)
    two = asking(tool_call("price", "a", of="hats"), tool_call("price", "b", of="caps"))
    await openai.script(two, two, {"say": "Enough."}, two, {"say": "Again."})
    async with calling(folder, openai, max_tool_calls=3) as millis:
        assert await millis.asked(1, "prices?") == "Enough."
        assert await millis.asked(2, "prices?", "Enough.", "again") == "Again."
    assert noted(folder, "ran") == ["hats 1", "caps 1", "hats 1", "hats 1", "caps 1"]


# ── tools that break ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    "error",
    ["RuntimeError", "SystemExit", "KeyboardInterrupt", "BaseException", "GeneratorExit",
     "asyncio.CancelledError", "StopIteration", "TimeoutError"],
)  # fmt: skip
async def test_a_tool_that_breaks_ends_neither_the_turn_nor_the_process(  # D1
    folder: Path, openai: FakeOpenAI, kind: str, error: str
) -> None:
    body = f'''
    @tool
    {kind} broken() -> str:
        """Break."""
        raise {error}("canary")
    '''
    write_tool(folder, "broken", body)
    await openai.script(asking(tool_call("broken"), say="Well."), {"say": "It broke."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "break") == "Well. It broke."
        assert await millis.asked(2, "break", "Well. It broke.", "hello") == "You said: hello"
    requests = await openai.requests()
    assert results(requests[1]) == {"c1": FAILED}
    assert "canary" not in str([request["body"] for request in requests])


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_tools_own_refusal_is_read_by_the_model(
    folder: Path, openai: FakeOpenAI, kind: str
) -> None:
    body = f'''
    @tool
    {kind} refund() -> str:
        """Refund."""
        raise ToolError("Refunds need a receipt. Ask for its number.")
    '''
    write_tool(folder, "refund", body)
    await openai.script(asking(tool_call("refund")), {"say": "May I have the number?"})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "refund") == "May I have the number?"
    assert await _after(openai) == {"c1": "Refunds need a receipt. Ask for its number."}


HANGS = '''
@tool
async def hang() -> str:
    """Never come back."""
    await asyncio.Event().wait()

@tool
def hang_in_a_thread() -> str:
    """Not come back for a while."""
    while not (HERE / "open").exists():
        time.sleep(0.005)
    return "late"

@tool
async def slow() -> str:
    """Take a moment."""
    await asyncio.sleep(0.15)
    return "done"
'''


@pytest.mark.parametrize("name", ["hang", "hang_in_a_thread"])
@pytest.mark.parametrize("general", [True, False])
async def test_a_tool_that_hangs_is_given_up_and_the_model_told(  # D2
    folder: Path, openai: FakeOpenAI, name: str, *, general: bool
) -> None:
    write_tool(folder, "hangs", HANGS)
    limits = {"tool_timeout": 0.1} if general else {"tools": {name: {"timeout": 0.1}}}
    await openai.script(asking(tool_call(name)), {"say": "It takes too long."})
    async with calling(folder, openai, **limits) as millis:
        assert await millis.asked(1, "go") == "It takes too long."
        (folder / "open").touch()
    assert await _after(openai) == {"c1": TIMED_OUT}


async def test_a_tool_may_be_given_more_time_than_the_others(  # D2
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "hangs", HANGS)
    await openai.script(asking(tool_call("slow", "a"), tool_call("hang", "b")))
    limits = {"tool_timeout": 0.05, "tools": {"slow": {"timeout": 5}}}
    async with calling(folder, openai, **limits) as millis:
        await millis.asked(1, "go")
    assert await _after(openai) == {"a": "done", "b": TIMED_OUT}


BLOCKING = '''
@tool
def block(n: int = 0) -> str:
    """Block a thread."""
    note("blocking", str(n))
    while not (HERE / "open").exists():
        time.sleep(0.01)
    return "free again"
'''


async def test_a_tool_that_blocks_its_thread_does_not_keep_other_calls_waiting(  # D3
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "block", BLOCKING)
    await openai.script(asking(tool_call("block")), {"say": "Done."}, match="block")
    async with _running(folder, openai) as bridge:
        async with dialled(bridge) as one, dialled(bridge) as other:
            await one.ask(1, "block")
            await came_true(lambda: noted(folder, "blocking"))
            assert await other.asked(1, "hello") == "You said: hello"
            assert one.got == []
            (folder / "open").touch()
            await openai.script({"say": "Done."})
            await one.answer(1)
    assert await _after(openai) == {"c1": "free again"}


async def test_when_every_tool_thread_is_taken_the_model_is_told_at_once(  # D4
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "block", BLOCKING)
    write_tool(folder, "price", PRICE)
    for n in range(3):
        await openai.script(asking(tool_call("block", n=n)), match=f"block {n}")
    async with _running(folder, openai, tool_threads=2) as bridge:
        async with dialled(bridge) as one, dialled(bridge) as two, dialled(bridge) as three:
            await one.ask(1, "block 0")
            await two.ask(1, "block 1")
            await came_true(lambda: len(noted(folder, "blocking")) == 2)
            assert await three.asked(1, "block 2") == "You said: block 2"
            assert "busy" in (await _after(openai))["c1"]

            await openai.script(asking(tool_call("price", of="hats")), match="hats")
            assert await three.asked(2, "hats")
            assert await _after(openai) == {"c1": "hats: 7"}, "async tools need no thread"
            (folder / "open").touch()
            await one.answer(1)
            await two.answer(1)
    assert sorted(noted(folder, "blocking")) == ["0", "1"]


# ── the caller does not wait ─────────────────────────────────────────────────────────────────────


OFFSETS = [n * 0.006 for n in range(12)]
"""Seconds, of half the trials from the request, of the others from when the tool has begun."""


async def _tool_under_way(millis: Wire, openai: FakeOpenAI, folder: Path, n: int) -> None:
    """Ask for something that takes a tool, and come to the trial's moment in it."""
    await openai.script(asking(tool_call("book", room=f"room{n}")), match=f"trial {n}.")
    await millis.ask(1, f"trial {n}.")
    if n % 2:
        await came_true(lambda: noted(folder, f"room{n}"))
    await asyncio.sleep(OFFSETS[n])


async def test_a_tool_begun_before_an_interrupt_runs_to_its_end_once_and_never_again(  # D5
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "book", BOOK)

    async def trial(bridge: Bridge, n: int) -> None:
        async with dialled(bridge) as millis:
            await _tool_under_way(millis, openai, folder, n)
            await millis.interrupt(1)
            await millis.settled()
            before = len(millis.of(1))
            assert (await millis.asked(2, f"trial {n}.", "Well", "go on")).endswith("go on")
            assert len(millis.of(1)) == before

    async with _running(folder, openai) as bridge:
        async with asyncio.TaskGroup() as trials:
            for n in range(len(OFFSETS)):
                trials.create_task(trial(bridge, n))
        await came_true(lambda: not bridge.board.live)
    _booked_at_most_once(folder)


async def test_a_tool_begun_before_a_hang_up_runs_to_its_end_once(  # D6
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "book", BOOK)

    async def trial(bridge: Bridge, n: int) -> None:
        async with dialled(bridge) as millis:
            await _tool_under_way(millis, openai, folder, n)

    async with _running(folder, openai) as bridge:
        async with asyncio.TaskGroup() as trials:
            for n in range(len(OFFSETS)):
                trials.create_task(trial(bridge, n))
        await came_true(lambda: not bridge.board.live)
    _booked_at_most_once(folder)


def _booked_at_most_once(folder: Path) -> None:
    rooms = [noted(folder, f"room{n}") for n in range(len(OFFSETS))]
    assert all(room == ["begun", "done"] for room in rooms[1::2])
    assert all(room in ([], ["begun", "done"]) for room in rooms[::2])


async def test_a_tool_that_still_waits_for_its_turn_is_not_begun_after_an_interrupt(  # D5
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "gate", GATE)
    await openai.script(asking(*[tool_call("gate", f"c{n}", n=n) for n in range(4)]))
    async with _running(folder, openai, max_parallel_tools=2) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start()
            await millis.ask(1, "go")
            await came_true(lambda: len(noted(folder, "waiting")) == 2)
            await millis.interrupt(1)
            await millis.settled()
            (folder / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
            await millis.asked(2, "go", "hello")
        await came_true(lambda: not bridge.board.live)
    assert noted(folder, "waiting") == ["0", "1"]


SAYS = '''
@tool
async def fetch(runtime: ToolRuntime[CallContext]) -> str:
    """Fetch something, and keep the caller company."""
    await runtime.context.say("One moment, please")
    note("said", "once")
    await file_there("open")
    await runtime.context.say("Still looking")
    note("said", "twice")
    return "found"
'''


async def test_what_a_tool_says_is_spoken_at_once_while_it_runs(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "fetch", SAYS)
    await openai.script(asking(tool_call("fetch")), {"say": "Here it is."})
    async with calling(folder, openai) as millis:
        await millis.ask(1, "fetch")
        while millis.said(1).strip() != "One moment, please":
            await millis.next()
        assert millis.got[-1]["flush"] is True
        assert noted(folder, "said") == ["once"]
        (folder / "open").touch()
        assert await millis.answer(1) == "One moment, please Still looking Here it is."


async def test_what_a_tool_says_after_an_interrupt_is_not_spoken(
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "fetch", SAYS)
    await openai.script(asking(tool_call("fetch")))
    async with _running(folder, openai) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start()
            await millis.ask(1, "fetch")
            await millis.first_word(1)
            await millis.interrupt(1)
            await millis.settled()
            before = len(millis.of(1))
            (folder / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
            await millis.settled()
            assert (await millis.asked(2, "fetch", "hello")).endswith("hello")
            assert len(millis.of(1)) == before
    assert noted(folder, "said") == ["once", "twice"]


# ── what tools return ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("b'bytes'", "b'bytes'"),
        ("None", "null"),
        ("''", ""),
        ("7", "7"),
        ("{'price': 7, 'für': 'Käse'}", '{"price": 7, "für": "Käse"}'),
        ("['one', 'two']", '["one", "two"]'),
        ("[]", "[]"),
        ("[{'type': 'text', 'text': 'a block'}]", "a block"),
        ("'a\\ud800b'", "a?b"),
        ("'a\\0b'", "ab"),
        ("{'k': 'a\\ud800b'}", '{"k": "a?b"}'),
        ("CYCLE", "{'self': {...}}"),
        ("Thing()", "a thing"),
        ("Broken()", FAILED),
        ("10 ** 5000", FAILED),
    ],
)
async def test_whatever_a_tool_returns_the_model_reads_text(  # D7
    folder: Path, openai: FakeOpenAI, expression: str, read: str
) -> None:
    body = f'''
    class Thing:
        def __repr__(self): return "a thing"
    class Broken:
        def __repr__(self): raise RuntimeError("canary")
    CYCLE = {{}}
    CYCLE["self"] = CYCLE
    @tool
    def give():
        """Give something."""
        return {expression}
    '''
    write_tool(folder, "give", body)
    await openai.script(asking(tool_call("give")), {"say": "There."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "give") == "There."
    assert await _after(openai) == {"c1": read}


@pytest.mark.parametrize(
    "many",
    ["'x' * 10_000_000", "['x' * 1000] * 10_000", "{'k': 'x' * 10**7}",
     "[{'type': 'text', 'text': 'x' * 10**7}]"],
)  # fmt: skip
async def test_a_huge_result_is_cut(  # D7
    folder: Path, openai: FakeOpenAI, many: str
) -> None:
    write_tool(folder, "give", f'\n@tool\ndef give():\n    "Give."\n    return {many}\n')
    await openai.script(asking(tool_call("give")), {"say": "A lot."})
    async with calling(folder, openai) as millis:
        assert await millis.asked(1, "give") == "A lot."
    result = (await _after(openai))["c1"]
    assert MAX_RESULT_CHARS <= len(result) < MAX_RESULT_CHARS + 20
    assert result.endswith("(cut)")


# ── changed while the bridge runs ────────────────────────────────────────────────────────────────


def _word(folder: Path, answer: str) -> Path:
    return write_tool(
        folder, "word", f'\n@tool\ndef word() -> str:\n    "Say a word."\n    return {answer!r}\n'
    )


async def test_a_tool_file_dropped_in_is_usable_from_the_next_turn(  # D9
    folder: Path, openai: FakeOpenAI
) -> None:
    async with _running(folder, openai) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "one")
        _word(folder, "alpha")
        await health_when(bridge, lambda body: body["tools"] == ["word"])
        await openai.script(asking(tool_call("word")), {"say": "Two."})
        assert await millis.asked(2, "one", "One.", "two") == "Two."
    first, second, third = await openai.requests()
    assert "tools" not in first["body"]
    assert [tool["function"]["name"] for tool in second["body"]["tools"]] == ["word"]
    assert results(third) == {"c1": "alpha"}


async def test_a_turn_keeps_the_tools_it_began_with_and_the_next_has_the_new_ones(  # D9
    folder: Path, openai: FakeOpenAI
) -> None:
    write_tool(folder, "gate", GATE)
    _word(folder, "alpha")
    await openai.script(asking(tool_call("gate")), asking(tool_call("word")), {"say": "Old."})
    async with _running(folder, openai) as bridge, dialled(bridge) as millis:
        before = bridge.tools.current.version
        await millis.ask(1, "one")
        await came_true(lambda: noted(folder, "waiting"))
        _word(folder, "beta")
        await came_true(lambda: bridge.tools.current.version > before)
        (folder / "open").touch()
        assert await millis.answer(1) == "Old."
        assert "alpha" in (await _after(openai)).values()

        await openai.script(asking(tool_call("word")), {"say": "New."})
        assert await millis.asked(2, "one", "Old.", "two") == "New."
        assert await _after(openai) == {"c1": "beta"}


async def test_a_broken_edit_keeps_the_last_good_version_and_healthz_names_it(  # D9
    folder: Path, openai: FakeOpenAI
) -> None:
    file = _word(folder, "alpha")
    async with _running(folder, openai) as bridge, dialled(bridge) as millis:
        file.write_text("def word(:\n")
        body = await health_when(bridge, lambda body: body["failures"])
        assert body["status"] == "degraded"
        assert body["tools"] == ["word"]
        (failure,) = body["failures"]
        assert failure["file"] == "tools/word.py"
        assert failure["last_good_version_kept"] is True
        await openai.script(asking(tool_call("word")), {"say": "Still."})
        assert await millis.asked(1, "one") == "Still."
        assert await _after(openai) == {"c1": "alpha"}

        _word(folder, "beta")
        await health_when(bridge, lambda body: body["status"] == "ok")
        await openai.script(asking(tool_call("word")), {"say": "Mended."})
        assert await millis.asked(2, "one", "Still.", "two") == "Mended."
        assert await _after(openai) == {"c1": "beta"}


async def test_a_deleted_tool_file_takes_its_tool_with_it(  # D9
    folder: Path, openai: FakeOpenAI
) -> None:
    file = _word(folder, "alpha")
    write_tool(folder, "price", PRICE)
    async with _running(folder, openai) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "one")
        file.unlink()
        await health_when(bridge, lambda body: body["tools"] == ["price"])
        await openai.script(asking(tool_call("word")), {"say": "Gone."})
        assert await millis.asked(2, "one", "One.", "two") == "Gone."
    first, second, third = await openai.requests()
    assert {tool["function"]["name"] for tool in first["body"]["tools"]} == {"word", "price"}
    assert {tool["function"]["name"] for tool in second["body"]["tools"]} == {"price"}
    assert "not a valid tool" in results(third)["c1"]
