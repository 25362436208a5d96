"""Load one tool module aside, within a time limit; a failure comes back as a value."""

import asyncio
import functools
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

from bridge.plugins.adapt import adapt
from bridge.plugins.checks import ToolRefused, checked, home_of, tools_of
from bridge.plugins.daemon import DaemonRun, ToolCrashed
from bridge.plugins.failures import one_line
from bridge.plugins.millis.aftercall import Spool
from bridge.plugins.millis.tools import defined_tools
from bridge.plugins.package import ToolPackage
from bridge.plugins.sources import Source
from bridge.plugins.threads import ToolThreads
from bridge.plugins.toolbox import FoundTool

log = structlog.get_logger(__name__)

STOP_TRIES = 20
STOP_WAIT = 0.05
"""Seconds between them. A module that catches everything in its loop needs more than one."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a module did not load: where in its own files, and the reason in one line."""

    file: Path
    line: int | None
    reason: str


async def load(
    package: ToolPackage,
    source: Source,
    threads: ToolThreads,
    spool: Spool,
    *,
    seconds: float,
) -> tuple[FoundTool, ...] | Broken:
    """Import a module in a thread of its own, so that calls go on, and check it whole.

    `spool` takes what its functions have to do after a call.
    """
    run = DaemonRun(
        functools.partial(_read_tools, package, source, threads, spool), name=f"load {source.name}"
    )
    try:
        done, _ = await asyncio.wait({run.result}, timeout=seconds)
        if not done:
            file, line = _where(source, _frames_of(run))
            await _stop(run)
            return Broken(file, line, f"still loading after {seconds:g} s: stopped")
    finally:
        if not run.result.done():  # out of time, or the reload itself was cancelled
            run.stop()
            run.result.cancel()
    error = run.result.exception()
    return run.result.result() if error is None else _explain(source, error)


def _read_tools(
    package: ToolPackage, source: Source, threads: ToolThreads, spool: Spool
) -> tuple[FoundTool, ...]:
    if source.is_definition:
        defined = checked(defined_tools(source.files[source.path], spool), lambda _: None)
        home = f"{package.name}.{source.name}"
        return tuple(FoundTool(tool, adapt(tool, threads), home) for tool in defined)
    path_before = list(sys.path)
    try:
        tools = tools_of(package.load(source.name))
        return tuple(FoundTool(tool, adapt(tool, threads), home_of(tool)) for tool in tools)
    finally:
        if sys.path != path_before:
            log.warning("tool file changed sys.path", file=source.path.name)


async def _stop(run: DaemonRun) -> None:
    for _ in range(STOP_TRIES):
        if not run.stop():
            break
        await asyncio.wait({run.result}, timeout=STOP_WAIT)
    await asyncio.sleep(0)  # the result is on its way here
    if run.result.done():
        run.result.exception()  # asked for, so that asyncio does not report it as forgotten


def _explain(source: Source, error: BaseException) -> Broken:
    if isinstance(error, ToolRefused):
        return Broken(source.path, error.line, one_line(str(error)))
    if isinstance(error, ToolCrashed) and error.__cause__ is not None:
        error = error.__cause__
    places = [*_places(traceback.walk_tb(error.__traceback__))]
    if isinstance(error, SyntaxError) and error.filename is not None:
        places.append((Path(error.filename), error.lineno))
    file, line = _where(source, places)
    reason = _reason(source, error)
    origin, origin_line = places[-1] if places else (file, line)
    if origin != file and origin.parent.is_relative_to(_folder(source)):
        reason = f"{reason} (in {origin.name}, line {origin_line})"
    return Broken(file, line, one_line(reason))


def _reason(source: Source, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it calls sys.exit() while it loads"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.split(".")[0]
        if any((_folder(source) / name).exists() for name in (top, f"{top}.py")):
            text = f"{text} (a neighbour is imported with a dot: from .{top} import …)"
        elif not error.name.startswith("bridge_tools_"):
            text = f"{text} (is it installed where the bridge runs?)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _folder(source: Source) -> Path:
    return source.path.parent.parent if source.is_package else source.path.parent


def _frames_of(run: DaemonRun) -> list[tuple[Path, int | None]]:
    """Where the thread is now, outermost call first."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to see another thread
    frame = frames.get(run.thread.ident or 0)
    return [*_places(traceback.walk_stack(frame))][::-1] if frame else []


def _places(walk: Iterator[tuple[FrameType, int]]) -> Iterator[tuple[Path, int | None]]:
    for frame, line in walk:
        yield Path(frame.f_code.co_filename), line


def _where(source: Source, places: Iterable[tuple[Path, int | None]]) -> tuple[Path, int | None]:
    """Find the innermost place that lies in the module's own files."""
    own = [place for place in places if place[0] in source.files]
    return own[-1] if own else (source.path, None)
