"""When Python looks for garbage: not while a start makes what is to stay.

A thorough look goes through all objects there are. A start makes 364,000, of which 3,000 are
garbage: looking takes a seventh of the start, and later holds up all calls for 0.1 s at a time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_alone() -> Iterator[None]:
    """Do not look before the end of the block, or `settle`."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_NEWEST, _YOUNG, _OLD = 2_000, 10, 50
"""How many more objects there are when the newest are looked at, which takes a microsecond each
and holds up all calls: 3 ms at a time. Python's own 700, 10, 10 looked at the old ones so often
that a hundred calls took a fifth more of a core; with 10,000 it was 10 ms at a time."""


def settle() -> None:
    """Never look at what there is now, and seldom at what comes.

    A cycle that is let go of later, such as the first version of a tool that is replaced, stays in
    memory: once, as what comes after it is looked at.
    """
    gc.freeze()
    gc.set_threshold(_NEWEST, _YOUNG, _OLD)
    gc.enable()
