"""Sending a request at once, and not on the loop's next round."""

import sys
from collections.abc import Coroutine, Generator
from typing import Any

import aiohttp


class Begun(Coroutine[Any, Any, Any]):
    """A coroutine whose first step has been made; a task makes the others."""

    def __init__(self, begun: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def send(self, value: Any) -> Any:
        """Make the next step; the first time, wait for what the first step waits for."""
        waits_for, self._waits_for = self._waits_for, None
        return self._begun.send(value) if waits_for is None else waits_for

    def throw(self, *error: Any) -> Any:
        """Raise it where the coroutine is."""
        self._waits_for = None
        return self._begun.throw(*error)

    def close(self) -> None:
        """Leave it."""
        self._begun.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        """Be run by a task, and not awaited."""
        raise NotImplementedError("it is for a task to run")


async def _nothing() -> None:
    """What is left of a coroutine that has ended."""


class EagerRequest(aiohttp.ClientRequest):
    """A request whose body is on the wire when `send` returns, as aiohttp has it since Python 3.12.

    In 3.11 it is a task's first step: on the loop's next round, and thus behind whatever else is
    ready, such as the words of a hundred other calls.
    """

    if sys.version_info < (3, 12):

        def write_bytes(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
            """Write it, as far as that needs no waiting."""
            writing = super().write_bytes(*args, **kwargs)
            try:
                waits_for = writing.send(None)
            except StopIteration:
                return _nothing()
            return Begun(writing, waits_for)
