"""Watch the users' folders and reload a shelf when its files change."""

import asyncio
import os
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import structlog
from watchfiles import Change, DefaultFilter, awatch

log = structlog.get_logger(__name__)

DEBOUNCE = 100
"""Milliseconds in which changes are taken together: an editor saves in several steps."""
QUIET = 50
"""Milliseconds without a change that end them sooner."""
LOOK_AGAIN = 1.0
"""Seconds between looks at the content itself. Some file systems report no changes: network
drives, folders shared into a container. It also finds a folder that has come into being."""


class Shelf(Protocol):
    """Something kept in step with a folder."""

    folder: Path

    async def reload(self) -> Any:
        """Take in what has changed; cheap if nothing has. Never raises on a user's mistake."""


async def watch(shelves: Iterable[Shelf]) -> None:
    """Keep every shelf in step with its folder until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for shelf in shelves:
            tasks.create_task(_keep_up(shelf), name=f"watch {shelf.folder.name}")


async def _keep_up(shelf: Shelf) -> None:
    trouble = ""
    while True:
        try:
            await _follow(shelf)
            trouble = ""
        except (OSError, RuntimeError) as error:  # no such folder, no inotify watches left, …
            if trouble != type(error).__name__:
                trouble = type(error).__name__
                log.warning("folder not watched; looked at now and then", folder=str(shelf.folder))
            await shelf.reload()
            await asyncio.sleep(LOOK_AGAIN)


async def _follow(shelf: Shelf) -> None:
    """Reload on each change, until the folder is another one than at first."""
    folder = shelf.folder.absolute()
    identity = _identity(folder)
    changes = awatch(
        folder,
        watch_filter=DefaultFilter(),
        debounce=DEBOUNCE,
        step=QUIET,
        rust_timeout=int(LOOK_AGAIN * 1000),
        yield_on_timeout=True,
    )
    async with aclosing(changes) as seen:
        async for batch in seen:
            await shelf.reload()
            if (Change.deleted, str(folder)) in batch or _identity(folder) != identity:
                return


def _identity(folder: Path) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116 - follows links, as the watch does
    return found.st_dev, found.st_ino
