"""The queue between the calls and the database: what is flushed survives the process."""

import errno
import os
from itertools import islice
from typing import Final

import structlog

from bridge.store.losses import Losses
from bridge.store.notes.note import Note
from bridge.store.spool.folders import PRIVATE_FILE, Folder
from bridge.store.spool.held import Held, Line
from bridge.store.spool.lines import encode
from bridge.store.spool.recent import Recent
from bridge.store.spool.segments import BATCH, BITE, Batch, Segment, Segments, notes_of

log = structlog.get_logger(__name__)

SEGMENT: Final = 1024 * 1024
"""Bytes of a file at most, unless one note is larger."""
HELD: Final = 8 * 1024 * 1024
"""Bytes in memory at most, while the disk takes nothing."""
REMEMBERED: Final = 2 * 1024 * 1024
"""Bytes of the newest notes that need not be read again; in memory they are a few times as many."""
_EARLY: Final = 1024 * 1024
"""Bytes in memory that are flushed though nobody has asked for it."""


class Spool:
    """The notes of this process that are not in the database yet. Nothing here waits."""

    def __init__(
        self,
        folder: Folder,
        limit: int,
        losses: Losses,
        *,
        segment: int = SEGMENT,
        held: int = HELD,
        remembered: int = REMEMBERED,
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._losses = losses
        self._segment = min(segment, limit // 4)  # where there are several, only the oldest goes
        self._made = 0
        self._files = Segments(losses)
        self._most_held = held
        self._largest = min(limit, held)
        self._held = Held(held)
        self._recent = Recent(remembered)
        self._out: Batch | None = None
        self._closed = False
        self.newest = 0
        """Number of the newest note."""
        self.settled = 0
        """The notes up to this number are in the database, or lost."""
        self.trouble = ""
        """What is wrong with the disk; empty while it takes everything."""

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._files.size

    @property
    def waiting(self) -> int:
        """Notes that are not in the database."""
        return self._files.waiting + len(self._held)

    @property
    def empty(self) -> bool:
        """Whether all is in the database, or lost."""
        return self._out is None and not self.waiting

    def append(self, note: Note) -> None:
        """Keep a note; it is on the disk after the next flush."""
        try:
            text = encode(note)
        except TypeError:
            log.debug("note is not plain", kind=note.kind, call=note.head.id)
            self._losses.add("unencodable")
            return
        if self._closed:
            self._losses.add("closed")
            return
        if len(text) > self._largest:
            self._losses.add("spool_full")
            return
        self.newest += 1
        self._held.add(Line(self.newest, text))
        self._recent.add(self.newest, note, len(text))
        if self._held.size > _EARLY and not self.trouble:
            self.flush()
        if self._held.size > self._most_held:
            saving = self._out is not None and self._out.segment is None
            spared = self._out.newest if self._out is not None and saving else 0
            self._losses.add("disk", self._held.trim(spared))
            self._recent.clear()

    def flush(self) -> bool:
        """Hand everything to the operating system. Whether it took it: else memory holds it."""
        while self._held:
            if not self._write():
                return False
        return True

    def batch(self) -> Batch | None:
        """Notes to be saved next; None if there are none. The same until they are `done`.

        Raises:
            OSError: the disk will not show them now.
        """
        if self._out is None:
            self.flush()
            self._out = self._just_written() or self._files.batch() or self._from_memory()
        return self._out

    def done(self) -> None:
        """The notes of the batch are in the database."""
        batch, self._out = self._out, None
        if batch is None:
            return
        if batch.segment is None:
            self._held.drop(batch.newest)
        else:
            self._files.done(batch)
        self.settled = max(self.settled, batch.newest)

    def close(self) -> None:
        """Leave on the disk what is not in the database. Nothing can be appended any more."""
        if not self._closed:
            self._closed = True
            self.flush()
            self._losses.add("disk", len(self._held))
            self._files.close()

    def _just_written(self) -> Batch | None:
        """What comes next on the disk, if we still know it: to read it would cost more."""
        segment = self._files.next
        if segment is None:
            return None
        unread = islice(self._recent.since(segment.newest - segment.waiting + 1), segment.waiting)
        written = list(islice(unread, BATCH))
        if not written:
            return None
        end = segment.read + sum([one.size for one in written])
        notes = tuple([one.note for one in written])
        return Batch(notes, len(notes), written[-1].number, segment, end)

    def _from_memory(self) -> Batch | None:
        """What the disk would not take: the database may be elsewhere, and well."""
        lines = self._held.first(BITE)[:BATCH]
        if not lines:
            return None
        notes = notes_of((line.text for line in lines), self._losses)
        return Batch(notes, len(lines), lines[-1].number)

    def _write(self) -> bool:
        """Write what the current file has room for. Whether any of it is there."""
        try:
            current = self._current()
        except OSError as error:
            self._troubled(error.errno)
            return False
        room = self._segment - current.size
        lines = self._held.first(min(room, BITE) if self.trouble else room)
        data = b"".join([line.text for line in lines])
        self._make_room(len(data))
        try:
            written = os.write(current.fd, data)
            why = None if written == len(data) else errno.ENOSPC
        except OSError as error:
            written, why = 0, error.errno
        if why is not None:
            written = data.rfind(b"\n", 0, written) + 1
            lines = lines[: data.count(b"\n", 0, written)]
            self._take_back(current, current.size + written)
        if lines:
            current.size += written
            current.waiting += len(lines)
            current.newest = lines[-1].number
            self._held.drop(current.newest)
        self._troubled(why)
        return bool(lines)

    def _current(self) -> Segment:
        """The file that is being written; a new one if the next note has no room in it."""
        files = self._files.files
        if files and files[-1].fd >= 0:
            current = files[-1]
            least = len(self._held.first(0)[0].text)
            if not current.size or current.size + least <= self._segment:
                return current
            current.seal()
        path = self._folder.path / f"{self._made + 1:06}.jsonl"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        current = Segment(path, fd=os.open(path, flags, PRIVATE_FILE))
        self._made += 1
        files.append(current)
        return current

    def _make_room(self, size: int) -> None:
        """Lose the oldest notes rather than the newest: those calls are still going on."""
        files = self._files.files
        while len(files) > 1 and self._files.size + size > self._limit:
            oldest = files[0]
            self._losses.add("spool_full", self._files.drop_oldest(self._out))
            if self._out is None or self._out.segment is not oldest:
                self.settled = max(self.settled, oldest.newest)

    def _take_back(self, current: Segment, size: int) -> None:
        """Cut off a line of which only a part was written."""
        try:
            os.ftruncate(current.fd, size)
        except OSError:
            current.seal()  # reading stops before the torn line, and writing goes on elsewhere

    def _troubled(self, why: int | None) -> None:
        trouble = "" if why is None else os.strerror(why)
        if trouble and not self.trouble:
            log.error("the disk does not take the record; memory holds it", reason=trouble)
        elif self.trouble and not trouble:
            log.warning("the disk takes the record again")
        self.trouble = trouble
