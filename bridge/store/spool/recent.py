"""The newest notes as they are: what this process has just written need not be read again."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.store.notes.note import Note


@dataclass(frozen=True, slots=True)
class Written:
    """A note, and how many bytes it is on the disk."""

    number: int
    note: Note
    size: int


class Recent:
    """Notes without a gap up to the newest one. `most`: bytes on the disk of all that it knows."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._notes: deque[Written] = deque()
        self._size = 0

    def add(self, number: int, note: Note, size: int) -> None:
        """Remember the newest note."""
        self._notes.append(Written(number, note, size))
        self._size += size
        while self._size > self._most:
            self._forget_oldest()

    def clear(self) -> None:
        """Forget all: some of them were lost."""
        self._notes.clear()
        self._size = 0

    def since(self, number: int) -> Iterator[Written]:
        """The notes from that number on, if it is still known. Older ones are forgotten."""
        while self._notes and self._notes[0].number < number:
            self._forget_oldest()
        if self._notes and self._notes[0].number == number:
            yield from self._notes

    def _forget_oldest(self) -> None:
        self._size -= self._notes.popleft().size
