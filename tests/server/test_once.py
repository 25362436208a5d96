"""A tool with side effects runs exactly once, whenever the caller speaks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge
from bridge.call.notes import WITHDRAWN
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    came_true,
    dialled,
    noted,
    results,
    tool_call,
    watched,
    write_tool,
)

CALLS = 21
TRIALS = 10
"""Timings of each call; 210 in all."""
AGAIN = 2
"""How often the caller says it again, each time over the answer."""

ASYNC_BOOK = '''
@tool
async def book(room: str) -> str:
    """Book a room."""
    note(room, "run")
    await asyncio.sleep(0.01)
    note(room, "done")
    return f"booked {room}"
'''

SYNC_BOOK = '''
@tool
def book(room: str) -> str:
    """Book a room."""
    note(room, "run")
    time.sleep(0.01)
    note(room, "done")
    return f"booked {room}"
'''

GATED_BOOK = '''
@tool
async def book(room: int) -> str:
    """Book a room."""
    note("ran", str(room))
    await file_there("open")
    note("done", str(room))
    return f"booked {room}"
'''


async def _book(openai: FakeOpenAI, room: object, line: str, times: int = 1) -> None:
    """Let the model book when it is told to, and then say so."""
    for _ in range(times):
        say = [{"tokens": ["It ", "is ", "booked."], "gap_ms": 2}, {"finish": "stop"}]
        await openai.script(
            asking(tool_call("book", room=room)), [*say, {"done": True}], match=line
        )


async def _trial(openai: FakeOpenAI, wire: Wire, room: str, stream: int, offset: float) -> None:
    said: list[str] = []
    for attempt in range(AGAIN):
        said.append(f"book {room}, attempt {attempt}.")
        await _book(openai, room, said[-1])
        await wire.ask(stream + attempt, *said)
        await asyncio.sleep(offset)
        await wire.interrupt(stream + attempt)
        await wire.settled()
        said.append("Well")
    said.append(f"book {room} at last.")
    await _book(openai, room, said[-1])
    assert await wire.asked(stream + AGAIN, *said) == "It is booked."


async def _one_call(bridge: Bridge, openai: FakeOpenAI, call: int) -> None:
    async with dialled(bridge) as wire:
        for trial in range(TRIALS):
            offset = (trial + call / CALLS) * 0.004
            await _trial(openai, wire, f"r{call}x{trial}", trial * (AGAIN + 1), offset)


@pytest.mark.parametrize("body", [ASYNC_BOOK, SYNC_BOOK], ids=["async", "sync"])
async def test_a_caller_who_repeats_it_over_every_answer_gets_it_once(
    tmp_path: Path, openai: FakeOpenAI, body: str
) -> None:
    write_tool(tmp_path, "book", body)
    settings = {"tool_threads": 64}
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with asyncio.TaskGroup() as calls:
            for call in range(CALLS):
                calls.create_task(_one_call(bridge, openai, call))
    runs = [noted(tmp_path, f"r{call}x{trial}") for call in range(CALLS) for trial in range(TRIALS)]
    assert len(runs) >= 200
    assert [run for run in runs if run != ["run", "done"]] == []


async def test_once_the_caller_has_heard_of_it_it_is_done_again(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", ASYNC_BOOK)
    await _book(openai, "r", "book", times=4)
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "book")
        data = {"stream_id": 1, "session_id": ""}
        await millis.send({"type": "playback_finished", "data": data})
        await millis.asked(2, "book", "It is booked.", "book")
        assert noted(tmp_path, "r") == ["run", "done"] * 2
        await millis.interrupt(2)  # while it is played
        await millis.asked(3, "book", "It is booked.", "book", "It", "book")
        assert noted(tmp_path, "r") == ["run", "done"] * 2
        await millis.asked(4, *["book", "It is booked."] * 3, "book")
        assert noted(tmp_path, "r") == ["run", "done"] * 3


@pytest.mark.parametrize(
    "broken", [{"status": 401}, [{"text": "It is "}, {"text": "now bo"}, {"cut": True}]]
)
async def test_an_apology_does_not_tell_what_was_done(
    tmp_path: Path, openai: FakeOpenAI, broken: Any
) -> None:
    write_tool(tmp_path, "book", ASYNC_BOOK)
    await openai.script(asking(tool_call("book", room="r")), broken, match="book")
    await _book(openai, "r", "book")
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert "sorry" in await millis.asked(1, "book")
        assert await millis.asked(2, "book", "I'm sorry", "book") == "It is booked."
    assert noted(tmp_path, "r") == ["run", "done"]


async def test_equal_calls_of_one_message_and_in_the_next_turn_share_one_run(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", GATED_BOOK)
    twice = tool_call("book", "a", room=7), tool_call("book", "b", room="7")
    await openai.script(asking(*twice), asking(tool_call("book", "c", room=7)))
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "book")
            await watch.until("ToolBegun", name="book")
            await millis.interrupt(1)
            await millis.ask(2, "book", "Well", "hello?")
            with pytest.raises(TimeoutError):  # it waits for the run that is under way
                await openai.wait("request_started", 3, timeout=0.2)
            (tmp_path / "open").touch()
            await millis.answer(2)
            last = (await openai.requests())[-1]
            assert noted(tmp_path, "ran") == ["7"]
            assert results(last)["c"] == "booked 7"
            await openai.script(asking(tool_call("book", room=7)))
            await millis.asked(3, "book", "Well", "hello?", "It is booked", "once more")
    assert noted(tmp_path, "ran") == ["7", "7"]


async def test_a_caller_who_hangs_up_gets_it_once_and_to_its_end(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", GATED_BOOK)
    await _book(openai, 7, "book")
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch:
            async with dialled(bridge) as millis:
                await millis.start(0)
                await millis.ask(1, "book")
                await came_true(lambda: noted(tmp_path, "ran"))
            (tmp_path / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
    assert noted(tmp_path, "done") == ["7"]


@pytest.mark.parametrize(
    ("marked", "runs"), [("", 1), ("@policy(once=False)", 2), ("@policy(read_only=True)", 2)]
)
async def test_only_a_policy_lets_it_run_again_unheard(
    tmp_path: Path, openai: FakeOpenAI, marked: str, runs: int
) -> None:
    body = ASYNC_BOOK.replace("@tool", f"from bridge import policy\n{marked}\n@tool")
    write_tool(tmp_path, "book", body)
    both: list[Any] = [
        asking(tool_call("book", "a", room="r")),
        asking(tool_call("book", room="r")),
    ]
    await openai.script(*both, {"say": "Done."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "book") == "Done."
    assert noted(tmp_path, "r") == ["run", "done"] * runs


@pytest.mark.parametrize(
    ("fails", "runs"), [("raise ToolError('full')", 2), ("await asyncio.sleep(9)", 1)]
)
async def test_a_failed_tool_may_be_tried_again_and_one_that_took_too_long_may_not(
    tmp_path: Path, openai: FakeOpenAI, fails: str, runs: int
) -> None:
    body = ASYNC_BOOK.replace("await asyncio.sleep(0.01)", fails)
    write_tool(tmp_path, "book", body)
    both: list[Any] = [
        asking(tool_call("book", "a", room="r")),
        asking(tool_call("book", room="r")),
    ]
    await openai.script(*both, {"say": "Sorry."})
    async with bridge_running(tmp_path, openai.base_url, tool_timeout=0.05) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "book") == "Sorry."
    assert noted(tmp_path, "r") == ["run"] * runs


async def test_a_tool_that_may_be_cancelled_is_told_as_stopped(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    body = GATED_BOOK.replace(
        "@tool", 'from bridge import policy\n@policy(on_interrupt="cancel")\n@tool'
    )
    write_tool(tmp_path, "book", body)
    await _book(openai, 7, "book")
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "book")
            await came_true(lambda: noted(tmp_path, "ran"))
            await millis.interrupt(1)
            await watch.until("ToolFinished", outcome="cancelled")
            await millis.asked(2, "book", "Well", "never mind")
            (told,) = results((await openai.requests())[-1]).values()
    assert told.startswith("Stopped")
    assert noted(tmp_path, "done") == []


async def test_a_tool_that_had_not_begun_when_the_caller_spoke_is_not_done(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", GATED_BOOK)
    await openai.script(asking(*[tool_call("book", f"c{n}", room=n) for n in range(3)]))
    async with bridge_running(tmp_path, openai.base_url, max_parallel_tools=1) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "book all")
            await came_true(lambda: noted(tmp_path, "ran"))
            await millis.interrupt(1)
            await watch.until("ToolFinished", outcome="cancelled")
            await watch.until("ToolFinished", outcome="cancelled")
            (tmp_path / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
            await millis.asked(2, "book all", "Well", "hello?")
    told = list(results((await openai.requests())[-1]).values())
    assert told == ["booked 0", WITHDRAWN, WITHDRAWN]
    assert noted(tmp_path, "ran") == ["0"]


async def test_a_thread_that_cannot_be_stopped_runs_to_its_end_and_is_not_run_again(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    body = GATED_BOOK.replace("async def", "def").replace(
        'await file_there("open")', 'while not (HERE / "open").exists(): time.sleep(0.002)'
    )
    cancel = 'from bridge import policy\n@policy(on_interrupt="cancel")\n@tool'
    write_tool(tmp_path, "book", body.replace("@tool", cancel))
    await _book(openai, 7, "reserve")
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "reserve")
            await came_true(lambda: noted(tmp_path, "ran"))
            await millis.interrupt(1)
            await millis.settled()
            (tmp_path / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
            await openai.script(asking(tool_call("book", room=7)), {"say": "Yes."}, match="hello")
            assert await millis.asked(2, "reserve", "Well", "hello?") == "Yes."
    assert noted(tmp_path, "ran") == ["7"]


async def test_ids_that_a_provider_uses_twice_in_a_turn_are_told_apart(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", ASYNC_BOOK)
    broken = {"name": "book", "id": "c1", "arguments": '{"room": '}
    await openai.script(asking(broken), asking(tool_call("book", "c1", room="r")), {"say": "Done."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "book") == "Done."
    last = (await openai.requests())[-1]["body"]["messages"]
    ids = [call["id"] for message in last for call in message.get("tool_calls") or ()]
    assert len(set(ids)) == 2
    assert noted(tmp_path, "r") == ["run", "done"]


async def test_a_caller_who_hangs_up_does_not_shorten_the_time_that_a_policy_gives(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "book", GATED_BOOK)
    await _book(openai, 7, "book")
    async with bridge_running(tmp_path, openai.base_url, tool_timeout=9.0) as bridge:
        object.__setattr__(bridge.board.calls, "tool_grace", 0.01)
        async with watched(bridge) as watch:
            async with dialled(bridge) as millis:
                await millis.start(0)
                await millis.ask(1, "book")
                await came_true(lambda: noted(tmp_path, "ran"))
            await asyncio.sleep(0.05)
            (tmp_path / "open").touch()
            await watch.until("ToolFinished", outcome="ok")
