"""Calls of which notes lie on this machine's disk: in a spool, or refused by the database."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bridge.store.notes import plain
from bridge.store.notes.note import Note
from bridge.store.spool.lines import notes_in
from bridge.store.spool.refused import NAME

Which = Callable[[Note], bool]


def of_session(name: str) -> Which:
    """Whether a note is of that session, or of the call of that id."""
    known = plain.text(name)
    return lambda note: known in {note.head.session_id, note.head.id}


def of_caller(number: str) -> Which:
    """Whether a note says that a call is from that number."""
    known = plain.text(number)
    return lambda note: note.kind == "call" and note.row.get("caller") == known


def unsaved(spool_dir: Path, which: Which) -> set[str]:
    """Find calls by their notes, also in the spools of processes that are at work, or dead.

    Raises:
        OSError: a file is there that cannot be read.
    """
    # The refused last: what is refused meanwhile was in a spool before.
    files = [*_segments(spool_dir), spool_dir / NAME]
    return {note.head.id for path in files for note in notes_in(path) if which(note)}


def _segments(spool_dir: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        for folder in list(spool_dir.iterdir()):
            with suppress(FileNotFoundError, NotADirectoryError):  # it may just have been removed
                yield from [path for path in folder.iterdir() if path.suffix == ".jsonl"]
