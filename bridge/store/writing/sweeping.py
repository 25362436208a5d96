"""Deleting calls that are older than the record may be, once an hour."""

import asyncio
import time
from typing import Final

import structlog

from bridge.errors import SettingsError
from bridge.store.chores import Chore
from bridge.store.errors import DatabaseAway
from bridge.store.spool.refused import Refused
from bridge.store.writing.ports import Tables

log = structlog.get_logger(__name__)

_EVERY: Final = 3600.0
_DAY_MS: Final = 86_400_000


class Sweeping:
    """The retention of the record. A sweep may take minutes, so it has a task of its own."""

    def __init__(self, database: Tables, refused: Refused, days: int) -> None:
        self._database = database
        self._refused = refused
        self._days = days
        self._chore = Chore(_EVERY)
        self._task: asyncio.Task[None] | None = None

    def start_if_due(self) -> None:
        """Begin a sweep if it is time for one."""
        if self._days and not self._chore.wait and (self._task is None or self._task.done()):
            self._chore.done()
            self._task = asyncio.create_task(self._sweep(), name="record sweep")

    async def stop(self) -> None:
        """Leave it at that."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _sweep(self) -> None:
        before_ms = int(time.time() * 1000) - self._days * _DAY_MS
        self._refused.sweep(before_ms)
        try:
            swept = await self._database.sweep(before_ms)
        except (DatabaseAway, SettingsError):
            log.warning("old calls are not swept: the database is away")
        except Exception as error:  # noqa: BLE001 - SQLAlchemy and the drivers may raise anything
            log.error("old calls are not swept: a fault", kind=type(error).__name__)  # noqa: TRY400 - its text may hold speech
        else:
            log.info("old calls swept", calls=swept)
