"""A world for one process: its clock can be set, and its disk fails by chance.

A small library that is loaded before the C library answers for it (`preloaded.c`). It needs a C
compiler; without one the cases that use it are skipped.
"""

import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("preloaded.c")


@dataclass(frozen=True)
class World:
    """What a process lives in that has these variables."""

    variables: dict[str, str]
    _control: mmap.mmap

    def be(self, clock: int = 0, failures: int = 0) -> None:
        """Set its clock so many seconds ahead, and let so many in a thousand calls fail."""
        self._control[:16] = struct.pack("qq", clock, failures)

    @property
    def failed(self) -> int:
        """How many calls have failed."""
        found: int = struct.unpack("q", self._control[16:24])[0]
        return found


@contextmanager
def preloaded(folder: Path) -> Iterator[World]:
    """A world that is well, at first."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library, file = folder / "preloaded.so", folder / "preloaded.control"
    if not library.exists():
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)  # noqa: S603
    file.write_bytes(bytes(4096))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 4096) as control:
        variables = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(file)}
        yield World(variables, control)
