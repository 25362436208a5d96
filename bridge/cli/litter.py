"""When Python looks for garbage: not while a start makes what is to stay.

A thorough look goes through all objects there are. A start makes 364,000, of which 3,000 are
garbage: looking takes a seventh of the start, and later holds up all calls for 0.1 s at a time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.cli import hugepages


@contextmanager
def left_alone() -> Iterator[None]:
    """Do not look before the end of the block, or `settle`."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_NEWEST, _YOUNG, _OLD = 10_000, 1, 50
"""How many more objects there are when the newest are looked at; how many such looks there are
between two at the young ones; and how many of those between two thorough ones.

Each look holds up all calls, and visits whatever was made since the one before: of a hundred calls
that speak, 20,000 parts of their turns, none of them garbage. With 1,000 for the first number that
took 5 to 20 ms, three times a second, and p95 of the first word was 1.9 times the floor's; with
10,000 or 50,000 it is 1.3 (docs/performance.md). With 50,000 bursts are quicker still, but a look
that comes after all visits five times as much. With Python's own 700, 10, 10 the thorough looks
took a fifth of the core.

They find hardly anything: neither a plain turn (tests/test_cost.py) nor a call that ends
(tests/server/test_leaving_nothing.py) leaves anything to be found. What tools and libraries leave
may wait: at most some 10,000 objects more, two megabytes."""


def settle() -> None:
    """Never look at what there is now, and seldom at what comes. What stays moves to large pages.

    A cycle that is let go of later, such as the first version of a tool that is replaced, stays in
    memory: once, as what comes after it is looked at.
    """
    gc.freeze()
    hugepages.collapse()
    gc.set_threshold(_NEWEST, _YOUNG, _OLD)
    gc.enable()
