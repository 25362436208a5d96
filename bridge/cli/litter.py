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


_NEWEST, _YOUNG, _OLD = 1_000, 1, 500
"""How many more objects there are when the newest are looked at; how many such looks there are
between two at the young ones; and how many of those between two thorough ones.

Each look holds up all calls. With a hundred of them speaking: 0.1 to 1 ms for the newest, five
times a second; 2 ms for the young ones, as often; a thorough one, every few minutes if there is a
quarter more to look at than the last time: 30 ms, and 0.2 s with a thousand that wait. With five
looks at the newest between two at the young ones, the latter take 9 ms; with Python's own 700, 10,
10 the thorough looks took a fifth of the core. They find hardly anything: neither a plain turn
(tests/test_cost.py) nor a call that ends (tests/server/test_leaving_nothing.py) leaves anything to
be found, and what else there is may wait: 0.7 KiB of each finished call with 500 looks between two
thorough ones, 0.5 with 200 (`python benchmarks/held --only finished`)."""


def settle() -> None:
    """Never look at what there is now, and seldom at what comes. What stays moves to large pages.

    A cycle that is let go of later, such as the first version of a tool that is replaced, stays in
    memory: once, as what comes after it is looked at.
    """
    gc.freeze()
    hugepages.collapse()
    gc.set_threshold(_NEWEST, _YOUNG, _OLD)
    gc.enable()
