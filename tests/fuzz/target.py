"""What is fuzzed: a check that holds for any bytes, and bytes to begin with."""

import os
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import AnyStr


@dataclass(frozen=True)
class Target:
    """One reader of foreign bytes."""

    name: str
    check: Callable[[bytes], None]
    """Fails, with whatever exception, if the reader does something that it should not."""
    seeds: tuple[bytes, ...]
    """Good input, and every input that ever failed."""
    words: tuple[bytes, ...]
    """What input is made of."""


def text_of(data: bytes) -> str:
    """Any bytes as a text of any characters, lone surrogates among them."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def pieces(data: AnyStr) -> Iterator[list[AnyStr]]:
    """The same one by one, line by line, and in pieces; always the same pieces of the same data."""
    yield [data[at : at + 1] for at in range(len(data))]
    yield data.splitlines(keepends=True)
    if len(data) < 40:
        yield from ([data[:at], data[at:]] for at in range(len(data)))
    chance = random.Random(data)  # noqa: S311 - no secret
    for most in (3, 40):
        cuts: list[int] = sorted(
            chance.randrange(len(data) + 1) for _ in range(1 + len(data) // most)
        )
        edges = [0, *cuts, len(data)]
        yield [data[a:b] for a, b in pairwise(edges)]


def encoded(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Texts as seeds or words."""
    return tuple(text.encode("utf-8", "surrogatepass") for text in texts)


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, in memory where that can be had: thousands are made in a second."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - private inside
    with tempfile.TemporaryDirectory(dir=place) as made:
        yield Path(made)
