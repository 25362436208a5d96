"""How late the event loop is, and where it stands while it is held up (fault F9).

A thread asks the loop for an answer, ten times a second. So long would an interrupt have waited
that came at the same moment.
"""

import asyncio
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final, Self

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_EVERY: Final = 0.1
"""Seconds between two questions."""
HELD_UP = 1.0
"""Seconds without an answer after which the log says where the loop stands."""
_DEEPEST: Final = 15
"""Places in the code that are told, counted from the innermost."""

_log = structlog.get_logger(__name__)


class LoopWatch:
    """Watches one event loop from a thread of its own; enter it on the loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "millis_bridge_loop_lag_seconds",
            "How long the event loop took to answer.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._blocked = Counter(
            "millis_bridge_loop_blocked",
            "Times that it did not answer for a second.",
            registry=registry,
        )
        Gauge(
            "millis_bridge_loop_tasks", "Tasks on the event loop, now.", registry=registry
        ).set_function(self._tasks)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._answered = threading.Event()
        """The answer to the newest question."""
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Watch the running loop."""
        self._loop = asyncio.get_running_loop()
        watched = self._loop, threading.get_ident()
        self._thread = threading.Thread(
            target=self._watch, args=watched, name="loop watch", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no more. When this returns, the thread has ended."""
        self._stopping.set()
        self._answered.set()  # the loop has no time for it: it waits here
        if self._thread is not None:
            self._thread.join()

    def _tasks(self) -> int:
        return 0 if self._loop is None else len(asyncio.all_tasks(self._loop))

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._stopping.wait(_EVERY):
            answered = self._answered = threading.Event()
            if self._stopping.is_set():
                return
            try:
                loop.call_soon_threadsafe(self._answer, time.perf_counter(), answered)
            except RuntimeError:  # it is closed
                return
            if not answered.wait(HELD_UP):
                self._tell(sys._current_frames().get(thread))  # noqa: SLF001 - the only way
                answered.wait()

    def _answer(self, asked: float, answered: threading.Event) -> None:
        """On the loop."""
        self._lag.observe(time.perf_counter() - asked)
        answered.set()

    def _tell(self, frame: FrameType | None) -> None:
        self._blocked.inc()
        _log.error("the event loop is held up", seconds=HELD_UP, at=places(frame))


def places(frame: FrameType | None) -> list[str]:
    """Where a thread stands, innermost first: no values, no text of the code."""
    found: list[str] = []
    while frame is not None and len(found) < _DEEPEST:
        code = frame.f_code
        file = "/".join(Path(code.co_filename).parts[-3:])
        found.append(f"{file}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return found
