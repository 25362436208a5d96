"""Server-sent events: bytes of a body in, payloads of its events out, whatever the chunking."""

from collections.abc import Iterator

MAX_EVENT = 1024 * 1024
"""Bytes that a line, or the data of an event, may have; a completion's event has a few hundred."""

_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """An event is longer than anybody has a use for."""


class EventReader:
    """One body's events. Only `data` is kept; comments, `event`, `id` and `retry` are passed over.

    An event counts once the empty line after it has come, so what a broken-off body leaves behind
    is dropped.
    """

    def __init__(self, *, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._tail: list[bytes] = []  # pieces of the line that has not ended yet
        self._tail_size = 0
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._data_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the payload of each event that this chunk completes. Run it to its end.

        Raises:
            EventTooLargeError: the events before it were yielded; the reader is of no more use.
        """
        if self._is_one_event(chunk):
            self._check(len(chunk) - 2)
            yield chunk[6:-2]
            return
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_plain_line_ends(chunk)
        first, newline, rest = chunk.partition(b"\n")
        self._keep(first)
        if not newline:
            return
        lines = rest.split(b"\n")
        lines[:0] = [self._take_tail()]
        unfinished = lines.pop()
        for line in lines:
            if line:
                self._read(line)
            elif self._data:
                yield self._take_event()
        self._keep(unfinished)

    def _is_one_event(self, chunk: bytes) -> bool:
        """Whether this is one plain event and no more: so they come, while a model speaks."""
        return (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and chunk.find(b"\n") == len(chunk) - 2
            and b"\r" not in chunk
            and not (self._tail or self._data or self._after_cr or self._at_start)
        )

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CR LF that was cut in two
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            self._check(self._tail_size)

    def _take_tail(self) -> bytes:
        line = self._tail[0] if len(self._tail) == 1 else b"".join(self._tail)
        self._tail.clear()
        self._tail_size = 0
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _read(self, line: bytes) -> None:
        self._check(len(line))
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_size += len(value) + 1  # the line end that joins it to the next one
            self._check(self._data_size - 1)

    def _take_event(self) -> bytes:
        payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._data_size = 0
        return payload

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")
