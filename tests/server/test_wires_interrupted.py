"""Interrupts over every wire that the bridge reaches models over: none may be lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import Bridge
from tests.wire import Wire, dialled
from tests.wires import ModelWire, running


@pytest.fixture
async def bridge(tmp_path: Path, model: ModelWire) -> AsyncIterator[Bridge]:
    async with running(tmp_path, model) as bridge:
        yield bridge


@pytest.fixture
async def millis(bridge: Bridge) -> AsyncIterator[Wire]:
    async with dialled(bridge) as wire:
        yield wire


async def test_an_interrupt_closes_the_request_within_a_quarter_of_a_second(
    millis: Wire, model: ModelWire
) -> None:
    await model.fake.script({"steps": [{"text": "Well, "}, {"stall": True}], "times": 30})
    took = []
    for turn in range(30):
        await millis.ask(turn, "hello")
        await millis.first_word(turn)
        at = asyncio.get_running_loop().time()
        await millis.interrupt(turn)
        await model.fake.wait("client_left", turn + 1)
        took.append((await model.fake.requests())[-1]["client_left_at"] - at)
    assert sorted(took)[15] < 0.25


@pytest.mark.parametrize("gap", [0, 5])
async def test_no_interrupt_is_lost_at_any_offset(
    bridge: Bridge, model: ModelWire, gap: int
) -> None:
    script = [{"tokens": [f"w{i} " for i in range(200)], "gap_ms": gap}, {"stall": True}]
    await model.fake.script({"steps": script, "times": 10**6})

    async def call(number: int) -> None:
        async with dialled(bridge) as wire:
            for trial in range(15):
                await wire.ask(trial, f"turn {trial}")
                offset = (trial + number / 5) / 15 * (0.01 + 4 * gap / 1000)
                try:
                    async with asyncio.timeout(offset):
                        while True:
                            await wire.next()
                except TimeoutError:
                    pass
                await wire.interrupt(trial)
                await wire.settled()
                heard = len(wire.of(trial))
                assert not wire.ended(trial)
                await wire.settled()
                assert len(wire.of(trial)) == heard

    async with asyncio.TaskGroup() as calls:
        for number in range(5):
            calls.create_task(call(number))
    asked = await model.fake.requests()
    await model.fake.wait("client_left", len(asked), timeout=10)
