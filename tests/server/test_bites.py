"""JSON is made in bites, between which others have their turn."""

import asyncio
import time
from collections.abc import AsyncIterator

import orjson

from bridge.server.bites import bites, items_json
from bridge.store.shapes import Frame


async def parts(size: int, number: int, seconds: float = 0) -> AsyncIterator[bytes]:
    for _ in range(number):
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        yield b"x" * size


async def test_bites_are_of_a_size_and_nothing_is_lost() -> None:
    found = [bite async for bite in bites(parts(1000, 1000))]
    assert sum(map(len, found)) == 1_000_000
    assert max(map(len, found)) < 70_000
    assert [bite async for bite in bites(parts(1, 3))] == [b"xxx"]


async def test_what_takes_long_comes_in_small_bites() -> None:
    found = [len(bite) async for bite in bites(parts(1, 20, seconds=0.002))]
    assert sum(found) == 20
    assert max(found) <= 4


async def test_others_have_their_turn_after_each_bite() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = [turns async for _ in bites(parts(1 << 16, 50))]
    task.cancel()
    await asyncio.wait({task})
    assert len(set(seen)) > 45


def test_a_list_has_commas_between_its_items() -> None:
    frame = Frame(at_ms=1, way="in", message={"type": "interrupt"})
    assert b"".join(items_json([])) == b""
    assert len(orjson.loads(b"[" + b"".join(items_json([frame] * 3)) + b"]")) == 3
