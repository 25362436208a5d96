"""Processes that have imported what commands need before they are told which command they are.

Most of what a command takes is imports. One process of each pytest does them once, and forks; from
the arguments to the exit code a command then goes on as `python -m bridge.cli` does.
"""

import asyncio
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["bridge.app", "bridge.doctor", "bridge.cli.chat", "bridge.cli.record", "langchain_openai"]
)


async def ran(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    stdout: Connection | None = None,
) -> tuple[int | None, str, str]:
    """Run `bridge` to its end: its exit code, what it said, and what it complained of.

    Into `stdout`, if there is one, it says what would be returned otherwise.
    """
    given, giving = _FORKS.Pipe(duplex=False)
    with NamedTemporaryFile() as out, NamedTemporaryFile() as err, given:
        with giving:
            os.write(giving.fileno(), stdin)  # a pipe holds more than any test types
        process = _FORKS.Process(
            target=_command,
            args=(list(arguments), cwd, dict(environment), (given, stdout or out.name, err.name)),
        )
        process.start()
        try:
            await _readable(process.sentinel)
        except BaseException:
            process.kill()
            raise
        finally:
            process.join()
        return process.exitcode, out.read().decode(), err.read().decode()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_reader(descriptor, seen.set)
    try:
        await seen.wait()
    finally:
        loop.remove_reader(descriptor)


def _command(
    arguments: list[str],
    cwd: Path,
    environment: dict[str, str],
    streams: tuple[Connection, Connection | str, str],
) -> None:
    """Become `python -m bridge.cli ARGUMENTS`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for descriptor, stream in enumerate(streams):
        opened = os.open(stream, os.O_WRONLY) if isinstance(stream, str) else stream.fileno()
        os.dup2(opened, descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.path[0] = str(cwd)
    sys.argv = ["bridge", *arguments]
    runpy.run_module("bridge.cli", run_name="__main__", alter_sys=True)
