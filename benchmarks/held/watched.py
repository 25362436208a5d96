"""`bridge serve` with a clock beside the calls: how late its event loop comes to a timer.

The lags stand in `lags.bin` in its folder, one pair of doubles each: when on the machine's
monotonic clock, and how late, in seconds.
"""

import asyncio
import struct
from pathlib import Path
from typing import BinaryIO

from bridge.cli import main

EVERY = 0.01
"""Seconds between two looks."""
PAIR = struct.Struct("dd")
FILE = "lags.bin"


class Clocked(asyncio.DefaultEventLoopPolicy):
    """Loops that note how late they are; a timer of theirs costs a hundredth of a core at most."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop that looks at its clock from its first step on."""
        loop = super().new_event_loop()
        file = Path(FILE).open("wb", buffering=0)  # noqa: SIM115 - until the process ends
        due = loop.time() + EVERY
        loop.call_at(due, _look, loop, due, file)
        return loop


def _look(loop: asyncio.AbstractEventLoop, due: float, file: BinaryIO) -> None:
    now = loop.time()
    file.write(PAIR.pack(now, now - due))
    loop.call_at(now + EVERY, _look, loop, now + EVERY, file)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(Clocked())
    main()
