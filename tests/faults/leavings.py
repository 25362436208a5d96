"""What a process holds: tasks, threads and descriptors, by kind, to compare with before."""

import asyncio
import os
import re
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from tests.wire import came_true

_DESCRIPTORS: Final = Path("/proc/self/fd")
_POOLED: Final = re.compile(r"asyncio_|ThreadPool|AnyIO worker|.*_connection_worker_thread")
"""Threads of pools that are bounded, and stay: asyncio's, and one a connection to SQLite."""


def holdings(upstream: int, database: str) -> Counter[str]:
    """Count what there is.

    Not counted: connections to the port `upstream`, of the model's server, which knows itself what
    is still asked on them, since idle ones are kept for the next turn; the pool of the database.
    """
    tasks = (f"task {_coroutine(task)}" for task in asyncio.all_tasks())
    threads = (
        f"thread {re.sub(r'[0-9]+', 'n', thread.name)}"
        for thread in threading.enumerate()
        if not _POOLED.match(thread.name)
    )
    return Counter([*tasks, *threads, *_descriptors(upstream, database)])


async def left_after(before: Counter[str], upstream: int, database: str) -> list[str]:
    """Wait until there is no more than before; what is still there after five seconds."""
    try:
        await came_true(lambda: not holdings(upstream, database) - before, timeout=5)
    except TimeoutError:
        more = holdings(upstream, database) - before
        return [f"{count} more: {what}" for what, count in more.items()]
    return []


def _coroutine(task: "asyncio.Task[object]") -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def _descriptors(upstream: int, database: str) -> list[str]:
    found = []
    for path in _DESCRIPTORS.iterdir() if _DESCRIPTORS.exists() else ():
        try:
            target = str(path.readlink())
        except OSError:  # the one that this listing itself used
            continue
        if target.startswith("socket:"):
            target = _peer(int(path.name))
        if target == f"socket to {upstream}" or target.startswith((database, "/proc/", "/dev/")):
            continue
        target = re.sub(r"[0-9]+(?=\.jsonl)", "n", target)  # the spool's files follow each other
        found.append(f"descriptor {'socket' if target.startswith('socket') else target}")
    return found


def _peer(descriptor: int) -> str:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as wire:
            name = wire.getpeername()
    except OSError:
        return "socket"
    return f"socket to {name[1]}" if isinstance(name, tuple) else "socket"
