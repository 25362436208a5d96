"""Taking in what dead processes have left: their notes, and the calls that nobody ended."""

from collections import deque
from pathlib import Path
from typing import Final

import structlog

from bridge.store.chores import Chore
from bridge.store.losses import Losses
from bridge.store.spool.abandoned import Abandoned
from bridge.store.writing.batches import Batches
from bridge.store.writing.ports import Tables
from bridge.store.writing.pulse import Pulse

log = structlog.get_logger(__name__)

_LOOK: Final = 60.0
"""Seconds between two looks."""
_MOST: Final = 16
"""Folders that are held at once: a bridge that dies every few seconds leaves hundreds."""


class Adoption:
    """The folders of dead processes, one after the other."""

    def __init__(self, spool_dir: Path, limit: int, losses: Losses) -> None:
        self._spool_dir = spool_dir
        self._limit = limit
        self._losses = losses
        self._left: deque[Abandoned] = deque()
        self.looking = Chore(_LOOK)

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(left.size for left in self._left)

    def look(self, own: int) -> None:
        """Take over what there is. If it is too much beside our own bytes, the oldest goes."""
        self.looking.done()
        most = _MOST - len(self._left)
        self._left.extend(Abandoned.found(self._spool_dir, self._losses, most))
        for left in self._left:
            while left.size and self.size + own > self._limit:
                self._losses.add("spool_full", left.drop_oldest())

    async def step(self, database: Tables, pulse: Pulse, batches: Batches) -> None:
        """Save a batch, or finish a folder: its open calls are aborted.

        Raises:
            DatabaseAway, SettingsError, OSError: later, perhaps.
        """
        left = self._left[0]
        if (batch := left.batch()) is not None:
            await batches.save(batch)
            left.done()
            return
        with pulse.operation():
            # Told first: if we die in between, the calls are still open, and told again.
            batches.tell_ended(await database.open_calls(left.replica))
            aborted = await database.abort_orphans(left.replica)
        left.release()
        self._left.popleft()
        if not self._left:  # there may be more than could be taken at once
            self.looking = Chore(_LOOK)
        log.warning(
            "the calls of a process that died are recorded",
            replica=left.replica,
            aborted=len(aborted),
        )

    def release(self) -> None:
        """Leave the rest to another process."""
        while self._left:
            self._left.popleft().leave()
