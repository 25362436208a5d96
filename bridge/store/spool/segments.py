"""Files of notes, in the order in which they were written; read in batches from the oldest."""

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.store.losses import Losses
from bridge.store.notes.note import Note
from bridge.store.spool.lines import decode

BATCH: Final = 200
"""Notes in a batch at most: one transaction."""
BITE: Final = 64 * 1024
"""Bytes read at once, unless a line is longer: reading them takes about 1 ms of the event loop."""
_PATIENCE: Final = 10
"""Times that a bad disk is asked for a file before its notes are given up."""
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


@dataclass(slots=True, eq=False)
class Segment:
    """One file."""

    path: Path
    size: int = 0
    """Bytes of it that hold whole lines; also what has been read of it."""
    read: int = 0
    """Bytes of it that are in the database."""
    waiting: int = 0
    """Lines of it that are not; stays 0 for a file that we have not written."""
    newest: int = 0
    """Number of the newest note in it."""
    fd: int = -1
    """Open while it is being written."""
    faults: int = 0
    """Times in a row that it could not be read."""

    def seal(self) -> None:
        """Nothing more is written to it."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):  # some disks report an error of writing only now
                os.close(self.fd)
            self.fd = -1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Notes to be saved in one transaction."""

    notes: tuple[Note, ...]
    lines: int
    """Lines it was made of."""
    newest: int = 0
    """Once it is saved, so are all notes up to this number."""
    segment: Segment | None = None
    end: int = 0
    """Where it ends in its segment."""


class Segments:
    """The files of one folder. What is in the database is deleted from them."""

    def __init__(self, losses: Losses, found: Iterable[Segment] = ()) -> None:
        self.files = deque(found)
        self._losses = losses

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(segment.size for segment in self.files)

    @property
    def waiting(self) -> int:
        """Lines that are not in the database."""
        return sum(segment.waiting for segment in self.files)

    @property
    def next(self) -> Segment | None:
        """The file that holds what is to be saved next, if it is one that we have written."""
        return next((segment for segment in self.files if segment.waiting), None)

    def batch(self) -> Batch | None:
        """Read what comes next; None if there is nothing.

        Raises:
            OSError: the disk will not show it now.
        """
        for segment in list(self.files):
            while segment.read < segment.size:
                batch = self._read(segment)
                if batch.notes:
                    return batch
                self.done(batch)
            if segment in self.files:  # an empty file of a dead process
                self._clear(segment)
        return None

    def done(self, batch: Batch) -> None:
        """The notes of a batch are in the database."""
        segment = batch.segment
        if segment is not None and segment in self.files:  # else it has been dropped meanwhile
            segment.read = batch.end
            segment.waiting = max(0, segment.waiting - batch.lines)
            self._clear(segment)

    def drop_oldest(self, out: Batch | None = None) -> int:
        """Delete the oldest file: there is no room. How many notes are lost by that.

        Those of the batch that is being saved now are not.
        """
        segment = self.files[0]
        start, lines = segment.read, segment.waiting
        if out is not None and out.segment is segment:
            start, lines = out.end, lines - out.lines
        if segment.fd < 0 and not segment.waiting:
            lines = _count_lines(segment.path, start)
        segment.seal()
        self._delete(segment)
        return lines

    def close(self) -> None:
        """Nothing more is written; what is in the database is deleted."""
        for segment in list(self.files):
            segment.seal()
            self._clear(segment)

    def _clear(self, segment: Segment) -> None:
        """Delete what has been read, if it is all."""
        if segment.read < segment.size:
            return
        if segment.fd >= 0:
            with contextlib.suppress(OSError):
                if segment.size:
                    os.ftruncate(segment.fd, 0)
                segment.size = segment.read = 0
                return
            segment.seal()
        self._delete(segment)

    def _delete(self, segment: Segment) -> None:
        self.files.remove(segment)
        with contextlib.suppress(OSError):  # then it is saved once more at the next start: no harm
            segment.path.unlink()

    def _read(self, segment: Segment) -> Batch:
        try:
            with _opened(segment) as fd:
                lines, end = _read_lines(fd, segment.read, segment.size)
            segment.faults = 0
        except OSError as error:
            segment.faults += error.errno not in _SHORTAGES
            if segment.faults < _PATIENCE and error.errno != errno.ENOENT:
                raise
            lines, end = [], segment.size
        notes = notes_of(lines, self._losses)
        all_of_it = end == segment.size
        missing = max(0, segment.waiting - len(lines)) if all_of_it else 0
        self._losses.add("torn", missing or not lines)
        return Batch(
            notes=notes,
            lines=len(lines) + missing,
            newest=segment.newest if all_of_it else 0,
            segment=segment,
            end=end,
        )


def notes_of(lines: Iterable[bytes], losses: Losses) -> tuple[Note, ...]:
    """Read the notes from lines. What cannot be read is counted."""
    notes = []
    for line in lines:
        try:
            notes.append(decode(line))
        except ValueError:
            losses.add("torn")
    return tuple(notes)


@contextlib.contextmanager
def _opened(segment: Segment) -> Iterator[int]:
    if segment.fd >= 0:
        yield segment.fd
        return
    fd = os.open(segment.path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def _read_lines(fd: int, start: int, size: int) -> tuple[list[bytes], int]:
    """Read a batch of lines, and say where it ends; none if the file is shorter than thought."""
    bite = BITE
    while True:
        piece = os.pread(fd, min(bite, size - start), start)
        whole = piece.rfind(b"\n") + 1
        if whole or len(piece) < bite:
            break
        bite *= 4
    if not whole:  # a line that its process did not finish
        return ([piece] if piece else []), size
    lines = piece[:whole].split(b"\n", BATCH)
    return lines[:-1], start + whole - len(lines[-1])


def _count_lines(path: Path, start: int) -> int:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return sum(block.count(b"\n") for block in iter(lambda: file.read(BITE), b""))
    except OSError:
        return 0
