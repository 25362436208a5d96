"""LangSmith's bookkeeping around each model and tool call, in the task itself.

LangChain wraps every middleware's call with LangSmith's `traceable`, and that goes through the
default thread pool twice, also where nobody traces: two waits for a thread, and for the lock that
Python's threads share, before the model is even asked.
"""

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import langsmith
from langchain_core.globals import get_debug, get_verbose
from langsmith.utils import tracing_is_enabled


def keep_in_task() -> None:
    """Have LangSmith use threads only while tracing is switched on. For the whole process."""
    langsmith.set_runtime_overrides(aio_to_thread=_in_task)


def tracing() -> bool:
    """Whether somebody watches what LangChain does."""
    return bool(tracing_is_enabled()) or get_debug() or get_verbose()


async def _in_task(
    in_thread: Callable[..., Awaitable[Any]],
    context: Context,
    work: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    if tracing_is_enabled():
        return await in_thread(context, work, *args, **kwargs)
    return context.run(work, *args, **kwargs)
