"""The file that a delivery is kept in.

Its name says what is to be done, its time how long ago it was put there. It is there whole or not
at all: without a payload it is empty until it has been tried, and it is never changed in place; its
next state is another file of the same name. Who locks it (`flock`) is at work on it, or holds it
back; the system frees the lock when the process dies. Who removes it calls the delivery off.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import orjson

from bridge.store.deliveries.delivery import LONGEST_PAYLOAD, Delivery
from bridge.store.spool.folders import PRIVATE_FILE, PRIVATE_FOLDER

_DRAFT: Final = re.compile(r"\.[0-9a-f]{16}")
_LONGEST: Final = LONGEST_PAYLOAD + 4096
"""Bytes of a file."""


def is_draft(name: str) -> bool:
    """Whether that is the name of a file that is being written, or never was to its end."""
    return _DRAFT.fullmatch(name) is not None


def listed(folder: Path, but: Container[str]) -> list[tuple[float, str]]:
    """What else is in the folder, with the times it was put there, oldest first.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in but:
                with contextlib.suppress(FileNotFoundError):  # just done
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    return sorted(found)


def create(folder: Path, name: str) -> None:
    """Put a new delivery without a payload on disk, by its id. This costs 0.05 ms or so.

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
    os.close(rewrite_locked(folder, delivery))


def rewrite_locked(folder: Path, delivery: Delivery) -> int:
    """Do as `rewrite`, and let nobody else have it, not even for a moment.

    Returns:
        The descriptor that holds the lock.

    Raises:
        OSError: the disk would not take it.
    """
    name = f".{secrets.token_hex(8)}"
    fd = _made(folder, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = {"attempts": delivery.attempts, "first": delivery.first, "due": delivery.due}
        _write(fd, orjson.dumps({**state, "payload": delivery.payload}))
        os.utime(fd, (delivery.at, delivery.at))
        os.rename(folder / name, folder / delivery.id)  # noqa: PTH104 - quicker
    except BaseException:
        os.close(fd)
        with contextlib.suppress(OSError):
            (folder / name).unlink()
        raise
    return fd


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
    """Read a delivery. One that cannot be understood is as one never tried, without a payload.

    Raises:
        OSError: the disk will not show it.
    """
    kind, _, key = name.partition("-")
    at = os.fstat(fd).st_mtime
    fresh = Delivery(kind, unquote(key), at=at, due=at)
    try:
        state = orjson.loads(os.pread(fd, _LONGEST, 0))
    except orjson.JSONDecodeError:  # it is empty; or the machine lost power
        return fresh
    if not isinstance(state, dict):
        return fresh
    if isinstance(state.get("payload"), dict):
        fresh = replace(fresh, payload=state["payload"])
    match state:
        case {"attempts": int(attempts), "first": float(first), "due": float(due)}:
            return replace(fresh, attempts=attempts, first=first, due=due)
        case _:
            return fresh


def payload(path: Path) -> Mapping[str, Any] | None:
    """What is to be done, whoever is at work on it.

    Raises:
        FileNotFoundError: there is none any more.
        OSError: the disk will not show it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return read(fd, path.name).payload
    finally:
        os.close(fd)


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
