"""What is said when the process may open no more: once in a while, and not of every attempt.

asyncio tells of a hundred and more a second then, each with a traceback: calls would wait for that.
"""

import asyncio
import errno
import time
from typing import Any, Final

import structlog

_SILENCE: Final = 60.0
"""Seconds between two lines of the log."""
_EXHAUSTED: Final[frozenset[int | None]] = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)

_log = structlog.get_logger(__name__)


class Exhaustion:
    """An event loop's exception handler; what it does not know goes to the default one."""

    def __init__(self) -> None:
        self._told = -_SILENCE

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Hear of what nobody else does."""
        error = context.get("exception")
        code = error.errno if isinstance(error, OSError) else None
        if "socket" not in context or code not in _EXHAUSTED:
            loop.default_exception_handler(context)
        elif (now := time.monotonic()) - self._told > _SILENCE:
            self._told = now
            _log.error(
                "nobody new is let in: the system gives us no more connections",
                error=errno.errorcode.get(code or 0, ""),
                remedy="live calls go on; raise the limit of open files (ulimit -n, LimitNOFILE)",
            )
