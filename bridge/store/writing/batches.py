"""A batch on its way into the database, and what becomes of a note that the database refuses."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from bridge.errors import SettingsError
from bridge.store.errors import DatabaseAway, NotesRefused
from bridge.store.losses import Losses
from bridge.store.notes.note import Note
from bridge.store.spool.refused import Refused
from bridge.store.spool.segments import Batch
from bridge.store.writing.ports import Tables
from bridge.store.writing.pulse import Pulse

log = structlog.get_logger(__name__)

_TRIES: Final = 3
"""Times that a batch may fail in a way that nobody expects, before a note in it gets the blame."""


class _Unsaved:
    """What is left of a batch."""

    def __init__(self, batch: Batch) -> None:
        self.parts: list[Sequence[Note]] = [batch.notes] if batch.notes else []
        self.faults = 0


class Batches:
    """Saves batches, each in one transaction if nothing in it is refused."""

    def __init__(
        self,
        database: Tables,
        pulse: Pulse,
        refused: Refused,
        losses: Losses,
        ended: Callable[[list[str]], None],
    ) -> None:
        self._database = database
        self._pulse = pulse
        self._refused = refused
        self._losses = losses
        self._ended = ended
        self._unsaved: dict[Batch, _Unsaved] = {}
        self.written = 0
        """Notes that went into the database."""
        self.erased = 0
        """Notes that were dropped: somebody has erased their calls."""

    async def save(self, batch: Batch) -> None:
        """Save all of it, but the notes that the database refuses: those are set aside.

        Raises:
            DatabaseAway, SettingsError: later, perhaps. What was saved of it is not saved again.
        """
        left = self._unsaved.setdefault(batch, _Unsaved(batch))
        while left.parts:
            notes = left.parts[-1]
            try:
                with self._pulse.operation():
                    counts = await self._database.save(notes)
            except NotesRefused as error:
                left.parts.pop()
                left.parts.extend(self._parted(notes, error.kind))
            except (DatabaseAway, SettingsError):
                raise
            except Exception as error:  # SQLAlchemy and the drivers may raise anything
                left.faults += 1
                if left.faults < _TRIES:
                    raise
                left.parts.pop()
                left.parts.extend(self._parted(notes, type(error).__name__))
            else:
                left.parts.pop()
                self.erased += counts["erased"]
                self.written += len(notes) - counts["erased"]
                self.tell_ended([note.head.id for note in notes if note.ends_call])
        del self._unsaved[batch]

    def tell_ended(self, calls: list[str]) -> None:
        """Name calls that are over to whoever wants to know."""
        if not calls:
            return
        try:
            self._ended(calls)
        except Exception as error:  # noqa: BLE001 - the record must go on, whatever listens to it
            log.error("fault in what is done when calls have ended", kind=type(error).__name__)  # noqa: TRY400 - its text may hold speech

    def _parted(self, notes: Sequence[Note], kind: str) -> list[Sequence[Note]]:
        """Halve what was refused, the older half last; a single note is set aside."""
        if len(notes) > 1:
            half = len(notes) // 2
            return [notes[half:], notes[:half]]
        for note in notes:
            log.error("note refused by the database", note=note.kind, call=note.head.id, kind=kind)
            self._refused.add(note)
            self._losses.add("refused")
        return []
