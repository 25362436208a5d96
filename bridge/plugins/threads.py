"""Where synchronous tools run: few daemon threads of their own, and no queue."""

import functools
from collections.abc import Callable
from typing import Any

from bridge.errors import ToolError
from bridge.plugins.daemon import DaemonRun


class ToolThreads:
    """A bounded number of synchronous tools at once, apart from asyncio's default executor.

    The default one has few threads and also looks up host names: hung tools would stop those too.
    """

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._free = [object() for _ in range(limit)]
        """One token a slot: list.pop and list.append are atomic, so no lock is needed."""

    @property
    def busy(self) -> int:
        """How many tools run now, counting those whose caller no longer waits."""
        return self._limit - len(self._free)

    async def run(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `func` in a thread, with the context variables of the caller.

        Cancelling the wait leaves the thread running, and its slot taken, until `func` returns.

        Raises:
            ToolError: every thread is taken. It says so at once: a caller is waiting on the phone.
            ToolCrashed: `func` raised something that is not an Exception, such as SystemExit.
        """
        try:
            slot = self._free.pop()
        except IndexError:
            raise ToolError("All tool threads are busy. Try again in a moment.") from None
        try:
            run = DaemonRun(
                functools.partial(func, *args, **kwargs),
                name="tool",
                ended=functools.partial(self._free.append, slot),
            )
        except RuntimeError:  # the system gives no more threads
            self._free.append(slot)
            raise ToolError("No tool thread can be started. Try again in a moment.") from None
        return await run.result
