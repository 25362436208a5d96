"""The tools a call has running, in tasks that outlive the turn that asked for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class ToolRuns:
    """Owner of a call's tool tasks: an interrupt stops the waiting for a tool, not the tool."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, run: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a tool to its end. Whoever waits for the task waits with `asyncio.wait`."""
        task = asyncio.create_task(run, name="tool")
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("tool run broke", error=type(error).__name__)

    async def finish(self, grace: float) -> None:
        """Wait for all tools; after `grace` seconds cancel those that still run, and wait again.

        Tools have their own time limits, well below `grace`: this is for the one that ignores its
        cancellation. After another `grace` it is left behind, and the log says so.
        """
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=grace)
            if stuck:
                _log.error("tools would not stop and were left behind", count=len(stuck))
