"""One note as one line of the spool, and back."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.store.notes.note import KINDS, Head, Note

_BYTES: Final = {"frames": ("data",)}
"""Columns that hold bytes, by kind: base64 in the line."""


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)


def encode(note: Note) -> bytes:
    """Write a note as a line of JSON, with its line break.

    Raises:
        TypeError: it holds something that is not plain.
    """
    return orjson.dumps(note, default=_text, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> Note:
    """Read a note from a line.

    Raises:
        ValueError: the line is torn, or is no note.
    """
    try:
        found = orjson.loads(line)
        head = Head(**found["head"])
        kind, seq, row = found["kind"], found["seq"], found["row"]
        for column in _BYTES.get(kind, ()):
            row[column] = base64.b64decode(row[column], validate=True)
    except (KeyError, TypeError) as error:
        raise ValueError("not a note") from error
    if not (
        kind in KINDS
        and type(seq) is int
        and type(row) is dict
        and type(head.id) is str
        and type(head.started_at) is int
    ):
        raise ValueError("not a note")
    return Note(kind, head, seq, row)


def notes_in(path: Path) -> Iterator[Note]:
    """Read the notes of a file, but for torn lines; none if it is not there.

    Raises:
        OSError: it cannot be read.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                yield decode(line)
