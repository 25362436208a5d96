"""What is loaded moves to large pages where Linux can do that, and nothing happens elsewhere."""

import mmap
import os
import sys
from pathlib import Path

import pytest

from bridge.cli import hugepages

LARGE = 2 * 1024 * 1024


def in_large_pages() -> int:
    """KiB of this process's memory that are in large pages."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages"))


@pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1),
    reason="only Linux has large pages on demand, since 6.1",
)
def test_memory_that_is_in_use_moves_to_large_pages() -> None:
    before = in_large_pages()
    with mmap.mmap(-1, 8 * LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * len(memory))

        moved = hugepages.collapse()

        if not moved:
            pytest.skip("this machine has no large page left, or gives none")
        assert moved % LARGE == 0
        assert in_large_pages() > before
        assert memory[:] == b"x" * len(memory)


def test_where_there_is_no_such_thing_nothing_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> Path:
        raise FileNotFoundError("/proc/self/maps")

    monkeypatch.setattr(hugepages, "_whole_pages", nothing)

    assert hugepages.collapse() == 0
