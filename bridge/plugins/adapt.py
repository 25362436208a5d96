"""Fit a LangChain tool for a phone call: off the event loop, and unable to take it down."""

import asyncio
import functools
import inspect
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, Tool

from bridge.plugins.daemon import ToolCrashed
from bridge.plugins.threads import ToolThreads

AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]

# LangChain has no public way to ask whether a tool class brings its own `_run` or `_arun`.
_STOCK_ARUN = (BaseTool._arun, StructuredTool._arun, Tool._arun)  # noqa: SLF001
_STOCK_RUN = (StructuredTool._run, Tool._run)  # noqa: SLF001


def adapt(tool: BaseTool, threads: ToolThreads) -> BaseTool:
    """Return a copy whose asynchronous side is safe to await on the event loop.

    A synchronous function runs in `threads`. SystemExit and its like become `ToolCrashed` inside
    the function: LangChain runs tools in tasks of its own, where it would be too late. All else
    about the tool stays as it was.
    """
    update: dict[str, Any] = {}
    if isinstance(tool, StructuredTool | Tool):
        if not _overrides_run(tool):
            return tool.model_copy(update={"coroutine": _from_function(tool, threads)})
        update["coroutine"] = _unused  # without one, LangChain takes its executor
    run = _from_class(tool, threads)
    adapted = tool.model_copy(update=update)
    # An attribute of the instance hides the method; LangChain still inspects the class's own.
    vars(adapted)["_arun"] = run
    return adapted


async def _unused(*_: Any) -> Any:
    raise NotImplementedError("the tool's own _run or _arun is used")


def _overrides_run(tool: StructuredTool | Tool) -> bool:
    kind = type(tool)
    if kind._arun not in _STOCK_ARUN:  # noqa: SLF001
        return True
    return kind._run not in _STOCK_RUN and tool.coroutine is None  # noqa: SLF001


def _from_function(tool: StructuredTool | Tool, threads: ToolThreads) -> AsyncFunction:
    if tool.coroutine is not None:
        return _guarded(tool.coroutine)
    if tool.func is None:
        raise ValueError(f"tool {tool.name!r} has neither a function nor a coroutine")
    return _threaded(tool.func, threads)


def _from_class(tool: BaseTool, threads: ToolThreads) -> AsyncFunction:
    if type(tool)._arun not in _STOCK_ARUN:  # noqa: SLF001
        return _guarded(tool._arun)  # noqa: SLF001
    threaded = _threaded(tool._run, threads)  # noqa: SLF001

    @functools.wraps(threaded)
    async def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("run_manager") is not None:  # what BaseTool._arun does before its executor
            kwargs["run_manager"] = kwargs["run_manager"].get_sync()
        return await threaded(*args, **kwargs)

    return run


def _threaded(function: Callable[..., Any], threads: ToolThreads) -> AsyncFunction:
    @functools.wraps(function)  # LangChain reads the signature to find `config` and `runtime`
    async def run(*args: Any, **kwargs: Any) -> Any:
        result = await threads.run(function, *args, **kwargs)
        return await _awaited(result) if inspect.isawaitable(result) else result

    return run


def _guarded(function: Callable[..., Awaitable[Any]]) -> AsyncFunction:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except Exception:
            raise
        except BaseException as error:
            if _comes_from_outside(error):
                raise
            raise ToolCrashed(f"raised {type(error).__name__}") from error

    return run


@_guarded
async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _comes_from_outside(error: BaseException) -> bool:
    """Whether whoever awaits the tool ended it, rather than the tool itself."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    # close() throws GeneratorExit at the await itself; the tool's own comes from further down.
    return isinstance(error, GeneratorExit) and _depth(error) == 1


def _depth(error: BaseException) -> int:
    return sum(1 for _ in traceback.walk_tb(error.__traceback__))
