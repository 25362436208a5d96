"""A bridge from its start to its end, as signals say: drained by SIGTERM, quickly by Ctrl-C."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from bridge.app import Bridge

QUICKLY: Final = (signal.SIGINT, signal.SIGQUIT)
TOLD: Final = (signal.SIGTERM, *QUICKLY)
"""The signals that end a bridge."""

_LAST: Final = 0.5
"""Seconds that tools which do not let their tasks end may hold up the process."""


class Told:
    """What signals have said. Their handlers run in the event loop, and only set events."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.quickly = asyncio.Event()

    @classmethod
    def by_signals(cls, *, twice: bool = True) -> Self:
        """Listen from now on; `twice`: a second SIGTERM means quickly, too."""
        told, loop = cls(), asyncio.get_running_loop()

        def terminate() -> None:
            if twice and told.stop.is_set():
                told.quickly.set()
            told.stop.set()

        def be_quick() -> None:
            told.quickly.set()
            told.stop.set()

        loop.add_signal_handler(signal.SIGTERM, terminate)
        for name in QUICKLY:
            loop.add_signal_handler(name, be_quick)
        return told


async def run(bridge: Bridge, told: Told, started: Callable[[Bridge], None]) -> None:
    """Start, serve until told to stop, drain, end. `started` is called once it serves.

    Raises:
        SettingsError: it cannot start.
    """
    if await _unless(told.stop, bridge.__aenter__()):
        started(bridge)
        await told.stop.wait()
        await _unless(told.quickly, bridge.drain())
        if told.quickly.is_set():
            bridge.hurry()
        leaving = asyncio.create_task(bridge.__aexit__(None, None, None), name="leave")
        if not await _before(told.quickly, leaving):
            bridge.hurry()
        await leaving
    _end_soon()


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Do this until it is done or `event` comes, which stops it; whether it was done."""
    doing = asyncio.create_task(work)
    try:
        await _before(event, doing)
    finally:
        doing.cancel()
        await asyncio.wait({doing})
    if doing.cancelled():
        return False
    doing.result()
    return True


async def _before(event: asyncio.Event, doing: asyncio.Task[Any]) -> bool:
    """Wait for a task or the event; whether the task was done first."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
    return doing.done()


def _end_soon() -> None:
    """See to it that the process ends: a tool's task may swallow its cancellation for ever."""

    def end() -> None:
        sys.stdout.flush()
        os._exit(0)

    last = threading.Timer(_LAST, end)
    last.daemon = True
    last.start()
