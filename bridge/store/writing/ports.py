"""What the writer asks of the database."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from bridge.store.notes.note import Note


class Tables(Protocol):
    """The tables of the record: `bridge.store.database.database.Database` is one.

    Every method raises `DatabaseAway` if it is worth trying again, and `SettingsError` if it is not
    before somebody has changed something.
    """

    async def open(self) -> None:
        """Connect, check and migrate."""

    async def save(self, notes: Sequence[Note]) -> Counter[str]:
        """Save notes in one transaction; "erased" counts those that were dropped.

        Raises:
            NotesRefused: the database said no to what is in them.
        """

    async def seen(self, replica: str) -> None:
        """Say that this process is alive."""

    async def open_calls(self, replica: str) -> list[str]:
        """Name the calls of a process that have not ended."""

    async def abort_orphans(self, replica: str) -> list[str]:
        """Mark the open calls of a dead process as aborted, and name them."""

    async def sweep(self, before_ms: int) -> int:
        """Delete calls that began before then and have ended; how many."""
