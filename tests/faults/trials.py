"""How much of a sweep is tried: a part of it in `make test`, all of it in `make soak`."""

import os
from typing import Final

FULL: Final = os.environ.get("BRIDGE_TEST_FAULTS") == "full"


def trials(full: int, quick: int) -> int:
    """How many."""
    return full if FULL else quick
