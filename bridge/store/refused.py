"""Notes that the database will not take, ever: kept aside in a file, for a person to look at."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from bridge.store.folders import PRIVATE_FILE
from bridge.store.lines import decode, encode
from bridge.store.notes import Note

log = structlog.get_logger(__name__)

NAME: Final = "refused.jsonl"
"""Its lines are as those of the spool: as `000001.jsonl` in a folder beside an empty `lock` they
are adopted, and tried again."""


class Refused:
    """The file, shared by all processes of a spool folder."""

    def __init__(self, spool_dir: Path, limit: int) -> None:
        self._path = spool_dir / NAME
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
            with self._open() as fd:
                lines = os.pread(fd, os.fstat(fd).st_size, 0).splitlines(keepends=True)
                young = [line for line in lines if _began(line) >= before_ms]
                if len(young) < len(lines):
                    os.ftruncate(fd, 0)
                    os.write(fd, b"".join(young))
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("refused notes cannot be swept", reason=error.strerror)

    @contextmanager
    def _open(self, flags: int = 0) -> Iterator[int]:
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | flags, PRIVATE_FILE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # for moments only: another process may be sweeping
            yield fd
        finally:
            os.close(fd)


def _began(line: bytes) -> int:
    try:
        return decode(line).head.started_at
    except ValueError:  # torn, or from another version: nobody will miss it
        return 0
