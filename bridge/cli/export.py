"""`bridge calls export`: calls whole, one a line, however many there are."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from bridge.cli.machine import line
from bridge.cli.record import fail, with_archive
from bridge.cli.words import count
from bridge.local.plain import plain
from bridge.settings import Settings
from bridge.store.reading.archive import Archive
from bridge.store.shapes import Filters

_STDOUT: Final = Path("-")


def export(settings: Settings, filters: Filters, *, frames: bool, output: Path | None) -> int:
    """Write calls as JSON, oldest first, each as soon as it is read."""
    target = None if output == _STDOUT else output
    try:
        with _opened(target) as file:
            number = with_archive(
                settings, lambda archive: _export(archive, filters, file, frames=frames)
            )
            file.flush()
    except OSError as error:
        if target is None:
            raise
        fail(f"cannot write {target}: {error.strerror}", 1)
    if target is not None:
        sys.stderr.write(f"{count(number, 'call')} written to {plain(target)}\n")
    return 0


async def _export(archive: Archive, filters: Filters, file: BinaryIO, *, frames: bool) -> int:
    number = 0
    async for call in archive.export(filters, frames=frames):
        file.write(line(call))
        number += 1
    return number


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Open what is written to; a file is for its owner's eyes only, also if it was there before."""
    if output is None:
        yield sys.stdout.buffer
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(output, flags, 0o600), "wb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)
        yield file
