"""The record's database, as the writer and the archive see it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import BridgeError
from bridge.store.database import migrating, retention
from bridge.store.database.opening import dialect_of
from bridge.store.database.plan import plan
from bridge.store.database.transactions import DEADLINE, Transactions, Way
from bridge.store.errors import DatabaseAway
from bridge.store.notes.note import Note


class Database:
    """The record's tables, in a SQLite file or on a PostgreSQL server.

    It is opened by the first who needs it. Every method, and whatever is done in a transaction,
    raises DatabaseAway (try again later), NotesRefused (the content is to blame) or SettingsError
    (this never will work), and nothing of the drivers'.
    """

    def __init__(self, url: str, *, deadline: float = DEADLINE) -> None:
        self._url = url
        self._deadline = deadline
        self.dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
        self._transactions: Transactions | None = None
        self._is_open = False
        self._was_open = False
        self._opening = asyncio.Lock()
        self._tries = 0
        self._failure: BridgeError | None = None

    async def open(self) -> None:
        """Connect, check, and bring the tables up to date.

        Raises:
            SettingsError: this cannot be the record's database; not once it has been.
            DatabaseAway: it cannot be reached now.
        """
        await self.opened()

    async def close(self) -> None:
        """Cut every connection: quick, also when the server is frozen. It may be opened again."""
        transactions, self._transactions = self._transactions, None
        self._is_open = False
        if transactions:
            await transactions.close()

    # ── for the writer ──

    async def save(self, notes: Sequence[Note]) -> Counter[str]:
        """Keep all of these notes, or none; again is no harm, nor is another order.

        Returns:
            How many there were: `saved`, and `erased` for those of calls that were erased.
        """
        transactions = await self.opened()
        gone = await transactions.keep(plan(notes, self.dialect))
        dropped = sum(note.head.id in gone for note in notes)
        return Counter(saved=len(notes) - dropped, erased=dropped)

    async def seen(self, replica: str) -> None:
        """Note that a process lives: its calls are live, and not lost."""
        async with self.writing() as connection:
            await retention.seen(connection, self.dialect, replica)

    async def open_calls(self, replica: str) -> list[str]:
        """Name the calls of a process that have not ended."""
        async with self.reading() as connection:
            return await retention.open_calls(connection, replica)

    async def abort_orphans(self, replica: str) -> list[str]:
        """End the calls that a process left when it died.

        Returns:
            Their ids.
        """
        async with self.writing() as connection:
            return await retention.abort_orphans(connection, replica)

    async def sweep(self, before_ms: int) -> int:
        """Delete calls that began before then and are over, some at a time.

        Returns:
            How many they were.
        """
        return await retention.sweep(await self.opened(), before_ms)

    # ── transactions ──

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that only reads."""
        return self._begin("read")

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that writes: committed at its end, undone by whatever is raised in it."""
        return self._begin("write")

    @asynccontextmanager
    async def _begin(self, way: Way) -> AsyncGenerator[AsyncConnection]:
        transactions = await self.opened()
        async with transactions.begin(way) as connection:
            yield connection

    async def opened(self) -> Transactions:
        """The transactions of the open database."""
        if self._is_open and self._transactions:
            return self._transactions
        tries = self._tries
        async with self._opening:
            if self._is_open and self._transactions:
                return self._transactions
            if self._tries != tries and self._failure:  # while we waited: once is enough
                raise self._failure
            return await self._open()

    async def _open(self) -> Transactions:
        self._transactions = transactions = Transactions(dialect_of(self._url), self._deadline)
        transactions.proven = self._was_open
        try:
            await migrating.migrate(transactions)
        except BridgeError as failure:
            self._tries += 1
            self._failure = failure
            await transactions.close()
            raise
        except BaseException:
            await transactions.close()
            raise
        if self._transactions is not transactions:
            raise DatabaseAway("closed")
        self._is_open = self._was_open = transactions.proven = True
        return transactions
