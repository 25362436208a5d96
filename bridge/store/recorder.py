"""The record of the calls of this process, from the first note to the last."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import structlog

from bridge.call.events import Record
from bridge.store.errors import DatabaseAway
from bridge.store.losses import Losses
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.note import Note
from bridge.store.setup import RecordSetup
from bridge.store.spool.folders import Folder
from bridge.store.spool.spool import Spool
from bridge.store.writing.writer import Writer

if TYPE_CHECKING:
    from bridge.store.database.database import Database
    from bridge.store.reading.archive import Archive

log = structlog.get_logger(__name__)

_FLUSH: Final = 0.25
"""Seconds after which a note is on the disk though no turn has ended."""
_TAKING_OVER: Final = 2.0
"""Seconds that a start waits until the notes of dead processes are in the database."""
_OPENING: Final = 2.0
"""Seconds that a start waits for a database on another machine."""
_SLOW: Final = 10.0
"""Seconds that notes may wait while the database answers."""


def _nobody(calls: list[str]) -> None:
    """Nobody wants to know."""


class Recorder:
    """Keeps a record of calls, without their ever waiting for it; enter it first.

    `on_ended` is called with the ids of calls that are over, once that is in the database; of those
    that a dead process left, just before. It may name a call again, after a crash above all, and
    must not block.
    """

    archive: "Archive"
    """What has been recorded."""
    database: "Database"
    """Where that is."""
    replica: str
    """The name of this process."""

    def __init__(self, setup: RecordSetup, *, patience: float = 5.0) -> None:
        self._setup = setup
        self.patience = patience
        """Seconds in which, at the end, what waits may still be written."""
        self._losses = Losses()
        self._flushing: asyncio.TimerHandle | None = None
        self.on_ended: Callable[[list[str]], None] = _nobody

    async def __aenter__(self) -> Self:
        """Open the spool and the database; only SQLite must be there at once.

        Raises:
            SettingsError: it can never work like this.
        """
        from bridge.store.database.database import Database  # noqa: PLC0415
        from bridge.store.reading.archive import Archive  # noqa: PLC0415 - SQLAlchemy takes a while

        folder = Folder.claim(self._setup.spool_dir)
        self.replica = folder.replica
        async with AsyncExitStack() as undo:
            undo.callback(folder.release)
            database = self.database = Database(self._setup.url)
            undo.push_async_callback(database.close)
            self.archive = Archive(database)
            self._spool = Spool(folder, self._setup.spool_limit, self._losses)
            undo.callback(self._spool.close)
            self._writer = Writer(
                self._setup, folder.replica, self._spool, database, self._losses, self._tell_ended
            )
            await self._open(database)
            self._writer.start()
            undo.push_async_callback(lambda: self._writer.stop(self.patience))
            await self._take_over()
            self._loop = asyncio.get_running_loop()
            self._undo = undo.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Write what can be written in a few seconds; the rest waits for the next start."""
        if self._flushing is not None:
            self._flushing.cancel()
        self._spool.flush()
        await self._undo.aclose()
        self._losses.tell(everything=True)
        if self._spool.waiting:
            log.warning("notes of the record wait for the next start", notes=self._spool.waiting)

    @property
    def healthy(self) -> bool:
        """Whether reading the record is worth a caller's time."""
        return self._writer.pulse.healthy

    def open(self) -> Record:
        """Begin the record of one connection."""
        return CallRecord(self._keep, self._flush, replica=self.replica, level=self._setup.level)

    async def written(self) -> None:
        """Wait until everything noted so far is in the database, or lost."""
        await self._writer.written()

    def status(self) -> dict[str, Any]:
        """How it goes, for `/healthz`."""
        state, reason = self._state()
        return {
            "state": state,
            "reason": reason,
            "waiting": self._spool.waiting,
            "spool_bytes": self._spool.size + self._writer.adoption.size,
            "lost": dict(self._losses.counts),
            "written": self._writer.batches.written,
            "erased": self._writer.batches.erased,
        }

    def _state(self) -> tuple[Literal["ok", "behind", "away"], str | None]:
        if trouble := self._writer.pulse.trouble:
            return "away", f"the database: {trouble}"
        if self._spool.trouble:
            return "behind", f"the spool: {self._spool.trouble}"
        if self._spool.waiting and time.monotonic() - self._writer.level_at > _SLOW:
            return "behind", "the database is slow"
        return "ok", None

    async def _open(self, database: "Database") -> None:
        wait = None if database.dialect == "sqlite" else _OPENING
        try:
            async with asyncio.timeout(wait):
                await self._writer.open()
        except (DatabaseAway, TimeoutError):
            log.warning("the record's database is not there yet; calls wait in the spool")

    async def _take_over(self) -> None:
        """The calls of a process that was killed come back now: know first what they have done."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TAKING_OVER):
                await self._writer.took_over()

    def _keep(self, note: Note) -> None:
        self._spool.append(note)
        if note.ends_call:  # it may go on at once, on another replica
            self._writer.hurry()
        else:
            self._writer.wake()
        self._flush_soon()

    def _flush(self) -> None:
        self._spool.flush()

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_later(_FLUSH, self._flush_late)

    def _flush_late(self) -> None:
        self._flushing = None
        if not self._spool.flush():  # the disk takes nothing: ask it again
            self._flush_soon()

    def _tell_ended(self, calls: list[str]) -> None:
        self.on_ended(calls)
