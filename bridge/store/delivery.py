"""One thing that is still to be done about a call that is over, and the file it is kept in.

The name of the file says what is to be done, its time how long ago it was put there; it is empty
until it has been tried, so that it is there whole or not at all. Who locks it (`flock`) is at work
on it; the system frees the lock when the process dies. It is never changed in place: its next state
is another file of the same name.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import orjson

from bridge.store.folders import PRIVATE_FILE, PRIVATE_FOLDER

_NAME: Final = re.compile(r"([a-z][a-z_]{0,31})-([A-Za-z0-9_~%-]{0,200})")
_DRAFT: Final = re.compile(r"\.[0-9a-f]{16}")
_LONGEST: Final = 4096
"""Bytes of a file."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be done for `key`, as a rule the id of a call. Times are seconds since 1970."""

    kind: str
    """Who does it: `call_ended` for the webhook. A word in small letters."""
    key: str
    """Short: 66 characters of any sort, or 200 letters and digits."""
    at: float
    """When it was put here."""
    due: float
    """When it is to be tried."""
    attempts: int = 0
    """Times that it was tried in vain."""
    first: float | None = None
    """When it was first tried in vain."""

    @property
    def id(self) -> str:
        """The same for the same kind and key, always: who gets it twice can tell."""
        return f"{self.kind}-{quote(self.key, safe='').replace('.', '%2E')}"


def kind_of(name: str) -> str | None:
    """The kind of the delivery that a file of that name is; None if it is none."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]


def is_draft(name: str) -> bool:
    """Whether that is the name of a file that is being written, or never was to its end."""
    return _DRAFT.fullmatch(name) is not None


def create(folder: Path, name: str) -> None:
    """Put a new delivery on disk, by its id. This costs 0.05 ms or so.

    Raises:
        FileExistsError: it is there, in whatever state; that is left alone.
        OSError: the disk would not take it.
    """
    os.close(_made(folder, name))


def rewrite(folder: Path, delivery: Delivery) -> None:
    """Put the next state of a delivery in the place of what is there.

    Raises:
        OSError: the disk would not take it.
    """
    name = f".{secrets.token_hex(8)}"
    fd = _made(folder, name)
    try:
        state = {"attempts": delivery.attempts, "first": delivery.first, "due": delivery.due}
        _write(fd, orjson.dumps(state))
        os.utime(fd, (delivery.at, delivery.at))
        os.rename(folder / name, folder / delivery.id)  # noqa: PTH104 - quicker
    except BaseException:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
        raise
    finally:
        os.close(fd)


def lock(path: Path) -> int:
    """Lock a delivery's file.

    Returns:
        The descriptor that holds the lock.

    Raises:
        FileNotFoundError: there is none any more.
        BlockingIOError: another is at work on it.
        OSError: the disk will not let us.
    """
    while True:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # another has been at work on it: look at what it is now


def read(fd: int, name: str) -> Delivery:
    """Read a delivery. One that cannot be understood is as one that was never tried.

    Raises:
        OSError: the disk will not show it.
    """
    kind, _, key = name.partition("-")
    at = os.fstat(fd).st_mtime
    fresh = Delivery(kind, unquote(key), at=at, due=at)
    try:
        match orjson.loads(os.pread(fd, _LONGEST, 0)):
            case {"attempts": int(attempts), "first": float(first), "due": float(due)}:
                return replace(fresh, attempts=attempts, first=first, due=due)
            case _:
                pass
    except orjson.JSONDecodeError:  # it is empty; or the machine lost power
        pass
    return fresh


def _made(folder: Path, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(folder / name, flags, PRIVATE_FILE)
    except FileNotFoundError:  # the first one; or the folder was empty, and cleared away
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return os.open(folder / name, flags, PRIVATE_FILE)


def _write(fd: int, data: bytes) -> None:
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
