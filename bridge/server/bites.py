"""Calls as JSON, made in bites: a call of hours has megabytes, and others are on the line."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Final

from bridge.store.shapes import CallDetail, Shape

_TIME: Final = 0.005
"""Seconds that a bite may take, about."""
_SIZE: Final = 1 << 16
"""Bytes of a bite, about."""


def call_json(call: CallDetail) -> Iterator[bytes]:
    """A call up to the value of its `frames`, in parts: that and a brace are to follow."""
    yield call.model_dump_json(exclude={"timeline", "frames"}).encode()[:-1]
    yield b',"timeline":['
    yield from items_json(call.timeline)
    yield b'],"frames":'


def items_json(items: Iterable[Shape]) -> Iterator[bytes]:
    """What stands between the brackets of a list, in parts."""
    for number, item in enumerate(items):
        text = item.model_dump_json().encode()
        yield b"," + text if number else text


async def bites(parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """Join parts until it is enough for once; after each bite others have their turn."""
    bite = bytearray()
    since = time.perf_counter()
    async for part in parts:
        bite += part
        if len(bite) >= _SIZE or time.perf_counter() - since >= _TIME:
            yield bytes(bite)
            bite.clear()
            await asyncio.sleep(0)
            since = time.perf_counter()
    yield bytes(bite)
