"""Notes that the database will not take, ever: kept aside in a file, for a person to look at."""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from bridge.store.notes.note import Note
from bridge.store.spool.folders import PRIVATE_FILE
from bridge.store.spool.lines import decode, encode, notes_in

log = structlog.get_logger(__name__)

NAME: Final = "refused.jsonl"
"""Its lines are as those of the spool: as `000001.jsonl` in a folder beside an empty `lock` they
are adopted, and tried again."""


class Refused:
    """The file, shared by all processes of a spool folder."""

    def __init__(self, spool_dir: Path, limit: int) -> None:
        self.path = spool_dir / NAME
        self._limit = limit

    def add(self, note: Note) -> None:
        """Keep a note aside, if there is room."""
        line = encode(note)
        try:
            with self._open(os.O_CREAT) as fd:
                if os.fstat(fd).st_size + len(line) <= self._limit:
                    os.write(fd, line)
        except OSError as error:
            log.warning("a refused note cannot be kept", reason=error.strerror)

    def sweep(self, before_ms: int) -> None:
        """Delete the notes of calls that began before then."""
        try:
            self._keep(lambda note: note.head.started_at >= before_ms)
        except OSError as error:
            log.warning("refused notes cannot be swept", reason=error.strerror)

    def calls(self) -> set[str]:
        """Name the calls of which notes are here.

        Raises:
            OSError: the file cannot be read.
        """
        return {note.head.id for note in notes_in(self.path)}

    def erase(self, calls: Collection[str]) -> None:
        """Delete the notes of these calls.

        Raises:
            OSError: they are still there.
        """
        self._keep(lambda note: note.head.id not in calls)

    def _keep(self, fits: Callable[[Note], bool]) -> None:
        """Delete the other notes, and what is no note: nobody will miss it."""
        with suppress(FileNotFoundError), self._open() as fd:
            lines = os.pread(fd, os.fstat(fd).st_size, 0).splitlines(keepends=True)
            kept = [line for line in lines if _fits(line, fits)]
            if len(kept) < len(lines):
                os.ftruncate(fd, 0)
                os.write(fd, b"".join(kept))

    @contextmanager
    def _open(self, flags: int = 0) -> Iterator[int]:
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | flags, PRIVATE_FILE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # for moments only: another process may be sweeping
            yield fd
        finally:
            os.close(fd)


def _fits(line: bytes, fits: Callable[[Note], bool]) -> bool:
    try:
        return fits(decode(line))
    except ValueError:  # torn, or from another version
        return False
