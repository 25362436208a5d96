"""Lines that are not on the disk yet: until the next flush, or because the disk takes nothing."""

from collections import deque
from typing import NamedTuple


class Line(NamedTuple):
    """A note on its way to the disk."""

    number: int
    text: bytes


class Held:
    """Lines in memory, oldest first, of `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._lines: deque[Line] = deque()
        self._limit = limit
        self.size = 0
        """Bytes."""

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: Line) -> None:
        """Hold one more."""
        self._lines.append(line)
        self.size += len(line.text)

    def first(self, size: int) -> list[Line]:
        """The oldest lines that make `size` bytes, but one at least."""
        found: list[Line] = []
        for line in self._lines:
            size -= len(line.text)
            if found and size < 0:
                break
            found.append(line)
        return found

    def drop(self, upto: int) -> None:
        """Hold the lines up to this number no longer: they are kept elsewhere."""
        while self._lines and self._lines[0].number <= upto:
            self.size -= len(self._lines.popleft().text)

    def trim(self, spared: int) -> int:
        """Lose the oldest lines if there are too many, but none up to the number `spared`."""
        lost = place = 0
        while self.size > self._limit:
            while place < len(self._lines) and self._lines[place].number <= spared:
                place += 1
            if place == len(self._lines):
                break
            self.size -= len(self._lines[place].text)
            del self._lines[place]
            lost += 1
        return lost
