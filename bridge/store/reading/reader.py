"""The record's database for who only looks: nothing is made, nothing migrated, nothing checked."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.store.database.database import Database
from bridge.store.database.migrating import OURS, revision_of
from bridge.store.database.opening import dialect_of
from bridge.store.database.transactions import Transactions


class Reader(Database):
    """Reads at once what is there; only who writes opens it as the bridge does, and migrates."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._looking = Transactions(dialect_of(url))

    async def revision(self) -> str | None:
        """Which revision the tables are of; None if there are none.

        Raises:
            SettingsError: the database is somebody else's, or of a newer bridge.
            DatabaseAway: it cannot be reached now.
        """
        async with self.reading() as connection:
            return await revision_of(connection, self._looking.kind.shown, OURS)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that only reads."""
        return self._looking.begin("read")

    async def close(self) -> None:
        """Cut every connection."""
        await self._looking.close()
        await super().close()
