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
        self._running: dict[asyncio.Task[Any], float] = {}
        """Each with the seconds after which it will have ended by itself."""

    def start(self, run: Coroutine[Any, Any, T], limit: float = 0.0) -> asyncio.Task[T]:
        """Run a tool to its end. Whoever waits for the task waits with `asyncio.wait`."""
        task = asyncio.create_task(run, name="tool")
        self._running[task] = limit
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("tool run broke", error=type(error).__name__)

    def stop(self) -> None:
        """Cancel all tools: there is no more time."""
        for task in self._running:
            task.cancel()

    async def finish(self, grace: float) -> None:
        """Wait for all tools; cancel those that run for `grace` seconds beyond their time limits.

        That is for the one that ignores its cancellation. After another `grace` it is left behind,
        and the log says so.
        """
        if not self._running:
            return
        patience = max(self._running.values()) + grace
        _, late = await asyncio.wait(self._running, timeout=patience)
        for task in late:
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=grace)
            if stuck:
                _log.error("tools would not stop and were left behind", count=len(stuck))
