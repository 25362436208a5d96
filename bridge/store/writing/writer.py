"""One task that empties the spool into the database."""

import asyncio
import random
import time
import traceback
from collections.abc import Callable
from typing import Final

import structlog

from bridge.errors import SettingsError
from bridge.store.chores import Chore
from bridge.store.errors import DatabaseAway
from bridge.store.losses import Losses
from bridge.store.setup import RecordSetup
from bridge.store.spool.refused import Refused
from bridge.store.spool.spool import Spool
from bridge.store.writing.adoption import Adoption
from bridge.store.writing.batches import Batches
from bridge.store.writing.ports import Tables
from bridge.store.writing.pulse import Pulse
from bridge.store.writing.sweeping import Sweeping

log = structlog.get_logger(__name__)

_GATHER: Final = 1.0
"""Seconds in which notes are taken together: a transaction has its price."""
_FIRST_PAUSE: Final = 0.1
"""Seconds before another try; each pause is twice as long as the one before."""
_LONGEST_PAUSE: Final = 5.0
_LAST_PAUSE: Final = 0.5
"""Seconds between tries while the process is ending: there will not be many."""
_SEEN: Final = 30.0
"""Seconds between two signs of life in the database."""


class Writer:
    """Empties the spool, and adopts what dead processes left. Whatever happens, it goes on."""

    def __init__(
        self,
        setup: RecordSetup,
        replica: str,
        spool: Spool,
        database: Tables,
        losses: Losses,
        ended: Callable[[list[str]], None],
    ) -> None:
        refused = Refused(setup.spool_dir, setup.spool_limit)
        self._replica = replica
        self._spool = spool
        self._database = database
        self._losses = losses
        self._opened = self._looked = False
        self._seen = Chore(_SEEN)
        self._sweeping = Sweeping(database, refused, setup.retention_days)
        self._failures = 0
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._hurried = asyncio.Event()
        self._round_over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.pulse = Pulse()
        self.batches = Batches(database, self.pulse, refused, losses, ended)
        self.adoption = Adoption(setup.spool_dir, setup.spool_limit, losses)
        self.level_at = time.monotonic()
        """When everything that had been noted by then was in the database."""

    async def open(self) -> None:
        """Open the database. The task does it, too, for as long as it fails.

        Raises:
            DatabaseAway: not now.
            SettingsError: not before somebody has changed something.
        """
        if not self._opened:
            with self.pulse.operation():
                await self._database.open()
            self._opened = True

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="record writer")

    async def stop(self, within: float) -> None:
        """Empty the spool if that can be done in so many seconds, and end."""
        task = self._task
        if task is None:
            return
        self._stopping.set()
        self.hurry()
        try:
            await self._sweeping.stop()
            await asyncio.wait({task}, timeout=within)
        finally:
            task.cancel()
            await asyncio.wait({task})
            self.adoption.release()

    def wake(self) -> None:
        """There is something to write."""
        self._woken.set()

    def hurry(self) -> None:
        """Write it now."""
        self._woken.set()
        self._hurried.set()

    async def took_over(self) -> None:
        """Wait until what dead processes have left was taken in, or the database is away."""
        while self._task is not None and not self._task.done() and not self.pulse.trouble:
            if self._looked and not self.adoption:
                return
            await self._round_over.wait()

    async def written(self) -> None:
        """Wait until everything noted so far is in the database, or lost."""
        newest = self._spool.newest
        while self._task is not None and not self._task.done():
            if self._spool.settled >= newest or self._spool.empty:
                return
            self.hurry()
            await self._round_over.wait()

    async def _run(self) -> None:
        more = True
        while more:
            try:
                more = await self._round()
                self._failures = 0
            except (DatabaseAway, SettingsError):  # `pulse` has told it
                await self._pause()
            except Exception as error:  # noqa: BLE001 - a bad disk, drivers, ourselves: go on
                _tell(error)
                await self._pause()
            finally:
                self._round_over.set()
                self._round_over = asyncio.Event()

    async def _round(self) -> bool:
        """Do what is due. Whether there is more to be done, ever."""
        self._losses.tell()
        if not self.adoption.looking.wait:
            self.adoption.look(self._spool.size)
            self._looked = True
        await self.open()
        if not self._seen.wait:
            with self.pulse.operation():
                await self._database.seen(self._replica)
            self._seen.done()
        if not self._stopping.is_set():
            self._sweeping.start_if_due()

        self._woken.clear()
        self._hurried.clear()
        batch = self._spool.batch()
        newest, now = self._spool.newest, time.monotonic()
        if batch is not None:
            await self.batches.save(batch)
            self._spool.done()
        level = batch is None or batch.newest == newest
        if level:
            self.level_at = now
        if self._stopping.is_set():
            return batch is not None
        if self.adoption:
            await self.adoption.step(self._database, self.pulse, self.batches)
        elif level:
            await self._rest()
        return True

    async def _rest(self) -> None:
        """Wait until there is something to do, and gather some of it."""
        self._round_over.set()
        self._round_over = asyncio.Event()
        if await _within(min(self._seen.wait, self.adoption.looking.wait), self._woken):
            await _within(_GATHER, self._hurried)

    async def _pause(self) -> None:
        """Wait before another try; less and less often, and not all processes at once."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        pause *= random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._failures = min(self._failures + 1, 10)
        if self._stopping.is_set():
            await asyncio.sleep(min(pause, _LAST_PAUSE))
        else:
            await _within(pause, self._stopping)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _tell(error: Exception) -> None:
    """Log where a fault is, but not its text: that may hold speech."""
    frames = traceback.extract_tb(error.__traceback__)
    at = [f"{frame.filename}:{frame.lineno}" for frame in frames[-3:]]
    log.error("fault while the record was written", kind=type(error).__name__, at=at)
    log.debug("fault while the record was written", exc_info=error)
