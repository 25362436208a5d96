"""Interrupts over real sockets, at 2,000 timings: none may be lost, here or at the model."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Wire, bridge_running, dialled, watched

CALLS = 20
GAPS = (0, 1, 5, 20)
"""Milliseconds between two tokens."""
OFFSETS = 25
"""Timings for each gap and call, spread over the first tokens."""

SOON = 4.0
"""Seconds after the interrupt within which the model's request must be closed: generous, since a
busy machine is slow; `make bench` has the figures."""


async def _interrupted_once(wire: Wire, stream_id: int, offset: float) -> float:
    """Ask, interrupt after `offset` seconds, and check that nothing comes after it."""
    await wire.ask(stream_id, f"turn {stream_id}")
    try:
        async with asyncio.timeout(offset):
            while True:
                await wire.next()
    except TimeoutError:
        pass
    at = asyncio.get_running_loop().time()
    await wire.interrupt(stream_id)
    await wire.settled()
    heard, ended = len(wire.of(stream_id)), wire.ended(stream_id)
    await wire.settled()
    assert not ended, "the answer was over before it was interrupted: the test proves nothing"
    assert len(wire.of(stream_id)) == heard, "a frame left after the interrupt"
    return at


async def _one_call(bridge: Bridge, call: int, gap: int) -> list[float]:
    async with dialled(bridge) as wire:
        times = []
        for trial in range(OFFSETS):
            # From before the first token to some tokens in, at a different phase in every call.
            offset = (trial + call / CALLS) / OFFSETS * (0.004 + 4 * gap / 1000)
            times.append(await _interrupted_once(wire, trial, offset))
        return times


@pytest.mark.timeout(120)
@pytest.mark.parametrize("gap", GAPS)
async def test_no_interrupt_is_lost_at_any_offset(
    tmp_path: Path, openai: FakeOpenAI, gap: int
) -> None:
    script = [{"tokens": [f"w{i} " for i in range(300)], "gap_ms": gap}, {"stall": True}]
    await openai.script({"steps": script, "times": 10**6})
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with asyncio.TaskGroup() as calls:
            running = [calls.create_task(_one_call(bridge, n, gap)) for n in range(CALLS)]
        interrupts = sorted(time for call in running for time in call.result())

        asked: list[dict[str, Any]] = await openai.requests()
        await openai.wait("client_left", len(asked), timeout=10)
        asked = await openai.requests()

    assert len(interrupts) == CALLS * OFFSETS
    left = sorted(request["client_left_at"] for request in asked)
    assert None not in left
    # Not every interrupt came after its request had reached the server; those that did were closed.
    last = max(interrupts)
    assert all(time <= last + SOON for time in left)
    assert bridge.board.live == set()


async def test_an_interrupt_closes_the_models_request_soon(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script({"steps": [{"text": "Well"}, {"stall": True}], "times": 50})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        for turn in range(50):
            await millis.ask(turn, "hello")
            await millis.first_word(turn)
            at = asyncio.get_running_loop().time()
            await millis.interrupt(turn)
            await openai.wait("client_left", turn + 1)
            closed = (await openai.requests())[-1]["client_left_at"]
            assert closed - at < SOON


async def test_a_storm_of_interrupts_leaves_the_last_request_answered(  # A28
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        for turn in range(300):
            await millis.ask(turn, f"turn {turn}")
            await millis.interrupt(turn)
            await millis.interrupt(turn - 1)
        assert await millis.asked(300, "and now?") == "You said: and now?"
        assert {message["stream_id"] for message in millis.got} == {300}


async def test_an_interrupt_while_a_tool_runs_lets_the_tool_finish_and_nothing_be_said(  # A27
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "slow.py").write_text(
        "import asyncio, pathlib\n"
        "from langchain_core.tools import tool\n"
        "@tool\n"
        "async def book(room: str) -> str:\n"
        '    "Book a room."\n'
        "    await asyncio.sleep(0.2)\n"
        f"    with open({str(tmp_path / 'booked')!r}, 'a') as file: file.write(room)\n"
        "    return 'booked'\n"
    )
    call = {"tool_call": {"name": "book", "arguments": '{"room": "7"}', "id": "c1"}}
    await openai.script([{"text": "One moment."}, call, {"finish": "tool_calls"}, {"done": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "book room 7")
            await watch.until("ToolBegun", name="book")
            await millis.interrupt(1)
            await millis.settled()
            before = len(millis.got)
            assert await millis.asked(2, "book room 7", "One moment.", "hello?")
            assert [m for m in millis.got[before:] if m["stream_id"] == 1] == []
            await watch.until("ToolFinished", name="book", outcome="ok")
    assert (tmp_path / "booked").read_text() == "7"
