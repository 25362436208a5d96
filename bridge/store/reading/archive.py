"""The record as it is read, and erased."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final

from sqlalchemy import Row

from bridge.store.database.database import Database
from bridge.store.reading import erasing, listing
from bridge.store.reading.details import details, find
from bridge.store.reading.gently import fetched, made
from bridge.store.shapes import CallDetail, CallPage, CallSummary, Filters

_MOST: Final = 500
"""Calls on a page."""
_AT_A_TIME: Final = 10
"""Calls that an export holds in memory."""


class Archive:
    """Every call on record. Raises DatabaseAway when the database is not well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def calls(
        self, filters: Filters, *, limit: int = 50, after: str | None = None
    ) -> CallPage:
        """A page of the list of calls, newest first.

        Raises:
            ValueError: `after` is not the `next` of a page, or the limit is not 1 to 500.
        """
        if not 1 <= limit <= _MOST:
            raise ValueError(f"a page has 1 to {_MOST} calls")
        query = listing.newest_first(listing.filtered(listing.summaries(), filters), after)
        async with self._database.reading() as connection:
            found = await connection.execute(query.limit(limit + 1))
            rows = await fetched(found, lambda row: row)
        page = rows[:limit]
        return CallPage(
            calls=tuple(await made(page, _summary)),
            next=listing.cursor(page[-1]) if len(rows) > limit else None,
        )

    async def call(self, name: str, *, frames: bool = False) -> list[CallDetail]:
        """Every connection of a session, or the one of that id; oldest first, none if unknown.

        Raises:
            FramesTooNew: the frames are asked for, and a newer bridge wrote them.
        """
        query = listing.oldest_first(listing.named(listing.summaries(), name), None)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            found = await find(connection, rows, with_frames=frames)
        return [call async for call in details(found)]

    async def export(self, filters: Filters, *, frames: bool = True) -> AsyncGenerator[CallDetail]:
        """Every call that the filters hold of, oldest first, a few at a time in memory.

        Close it (`contextlib.aclosing`) if not all are wanted. Raises FramesTooNew, as `call` does.
        """
        after = None
        while True:
            query = listing.oldest_first(listing.filtered(listing.summaries(), filters), after)
            async with self._database.reading() as connection:
                rows = (await connection.execute(query.limit(_AT_A_TIME))).all()
                found = await find(connection, rows, with_frames=frames)
            async with aclosing(details(found)) as some:
                async for call in some:
                    yield call
            if len(rows) < _AT_A_TIME:
                return
            after = listing.cursor(rows[-1])

    async def erase_session(self, name: str, unsaved: Iterable[str] = ()) -> int:
        """Erase a session, or the one connection of that id; also what is still to come of it.

        `unsaved`: ids of its connections that may not be in the database yet.

        Returns:
            How many connections were erased.
        """
        return await erasing.erase_session(await self._database.opened(), name, unsaved)

    async def erase_caller(self, number: str, unsaved: Iterable[str] = ()) -> int:
        """Erase every call of a caller's number, as `erase_session` does."""
        return await erasing.erase_caller(await self._database.opened(), number, unsaved)

    async def erased(self, ids: Iterable[str]) -> set[str]:
        """Which of these calls were erased."""
        async with self._database.reading() as connection:
            return await erasing.erased_of(connection, ids)


def _summary(row: Row[Any]) -> CallSummary:
    return CallSummary.model_validate(listing.summary(row))
