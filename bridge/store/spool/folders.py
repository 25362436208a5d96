"""The folders of the spool: each process locks one of its own, and finds those of the dead.

A lock is a `flock` on the folder's `lock` file: the system frees it when the process dies, however
it dies. Who holds it owns the folder.
"""

import contextlib
import fcntl
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bridge.errors import SettingsError

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
_TRIES: Final = 10
_LOCK: Final = "lock"
_STALE: Final = 3600
"""Seconds after which nobody is still about to lock an empty folder."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose lock we hold. Its name is that of the replica that made it."""

    path: Path
    _lock: int

    @property
    def replica(self) -> str:
        """The process that made it."""
        return self.path.name

    @classmethod
    def claim(cls, spool_dir: Path) -> Self:
        """Make a folder for this process.

        Raises:
            SettingsError: `spool_dir` cannot be written.
        """
        try:
            spool_dir.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            for _ in range(_TRIES):  # somebody may take a new folder for a dead one's
                path = spool_dir / _new_name()
                path.mkdir(mode=PRIVATE_FOLDER)
                if found := cls._lock_it(path, os.O_CREAT):
                    return found
        except OSError as error:
            raise SettingsError(
                f"cannot write in the spool folder {spool_dir} ({error.strerror or error}): "
                "make it writable, or set BRIDGE_SPOOL_DIR to another"
            ) from None
        raise SettingsError(f"cannot lock a folder in the spool folder {spool_dir}")

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over the folder of a process that has died; None if it lives, or there is none."""
        try:
            return cls._lock_it(path)
        except OSError:
            return None

    @classmethod
    def _lock_it(cls, path: Path, flags: int = 0) -> Self | None:
        lock = os.open(path / _LOCK, os.O_RDWR | flags, PRIVATE_FILE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(lock).st_nlink > 0  # else its owner has just removed it
        except OSError:
            ours = False
        if not ours:
            os.close(lock)
            return None
        return cls(path, lock)

    def segments(self) -> list[Path]:
        """The files of notes in it, oldest first.

        Raises:
            OSError: it cannot be listed.
        """
        names = [Path(name) for name in os.listdir(self.path)]  # noqa: PTH208 - sorted by number
        found = [name for name in names if name.suffix == ".jsonl" and name.stem.isdecimal()]
        return [self.path / name for name in sorted(found, key=lambda name: int(name.stem))]

    def release(self) -> None:
        """Give it back: removed if nothing is left in it, else for somebody to adopt."""
        with contextlib.suppress(OSError):
            if os.listdir(self.path) == [_LOCK]:  # noqa: PTH208
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self.leave()

    def leave(self) -> None:
        """Give it back as it is, for somebody to adopt."""
        os.close(self._lock)


def abandoned(spool_dir: Path) -> Iterator[Folder]:
    """Take over the folders of processes that have died, the oldest first."""
    try:
        paths = sorted(spool_dir.iterdir(), key=_changed_at)
    except OSError:
        return
    for path in paths:
        if (found := Folder.adopt(path)) is not None:
            yield found
        else:
            _clear_away(path)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody else has just adopted it
        return 0.0


def _clear_away(path: Path) -> None:
    """Remove what a process left that died while it made or removed its folder: an empty one."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _STALE:
            path.rmdir()


def _new_name() -> str:
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname()).strip(".")[:64]
    return f"{host or 'bridge'}-{os.getpid()}-{secrets.token_hex(4)}"
