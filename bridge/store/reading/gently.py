"""Going through many rows without holding the event loop, where calls are."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import CursorResult, Row

S = TypeVar("S")
T = TypeVar("T")

_BITE: Final = 40
"""At a time: a millisecond or two."""


async def fetched(result: CursorResult[Any], make: Callable[[Row[Any]], T]) -> list[T]:
    """What is made of each row, in order."""
    found: list[T] = []
    for some in result.partitions(_BITE):
        found += [make(row) for row in some]
        await asyncio.sleep(0)
    return found


async def made(items: Iterable[S], make: Callable[[S], T]) -> list[T]:
    """What is made of each item, in order."""
    found: list[T] = []
    rest = iter(items)
    while some := list(islice(rest, _BITE)):
        found += [make(item) for item in some]
        await asyncio.sleep(0)
    return found
