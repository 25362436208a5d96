"""The frames of a call that are not written yet.

Messages are told apart by their type: to ask one of pydantic's classes whether something is of it
takes ten times as long.
"""

from collections.abc import Callable
from math import floor
from typing import Final

import structlog

from bridge.protocol import (
    Inbound,
    Outbound,
    PartialTranscript,
    StreamRequest,
    StreamResponse,
    StreamResponseData,
    Utterance,
)
from bridge.store.notes.frames import Item, asked, heard, pack, sent

MOST_FRAMES: Final = 500
"""Frames that are held before they are written, in the middle of a turn if need be."""
MOST_CHARS: Final = 1 << 16
"""Characters of Millis's that are held before they are written. Ours are not counted: a turn has a
few thousand, and counting them would cost as much as keeping them."""
MOST_BYTES: Final = 1 << 25
"""Of frames in a call. Four hours of talk are a fifth of it; a peer that floods us would push the
other calls out of the spool."""

_log = structlog.get_logger(__name__)


class FrameLog:
    """Holds frames, and writes them as a row before they are too many.

    Words are the many. While a run of them is open, whoever sends more on the stream `speaking`,
    and nothing but words, may add them to `times` and `contents` himself: calling a function would
    take a fifth more. A run is not counted before it ends, and never longer than an answer may be.
    """

    def __init__(self, start: float, write: Callable[[bytes], None]) -> None:
        self.speaking: int | str | None = None
        """The stream of the open run; None if there is none."""
        self.times: list[float] = []
        self.contents: list[str] = []
        self._start = start
        self._write = write
        self._items: list[Item] = []
        self._frames = 0
        """How many there are in the items, but for the open run."""
        self._chars = 0
        self._replaceable: int | None = None
        """Characters of the last frame, if it is one whose place another may take."""
        self._lines: tuple[Utterance, ...] = ()
        """The newest transcript."""
        self._written = 0
        self.lost = 0
        """Frames that are not kept: the call has had its share."""

    def send(self, at: float, message: Outbound) -> None:
        """Hold a message to Millis."""
        self._end_run()
        if self._frames >= MOST_FRAMES:
            self.write()
        if type(message) is StreamResponse and only_words(message.data):
            self.speaking = message.data.stream_id
            self.times, self.contents = [at], [message.data.content]
            self._items.append(["w", self._ms(at), self.speaking, self.times, self.contents])
            self._replaceable = None
        else:
            self._hold(sent(self._ms(at), message), 0)

    def hear(self, at: float, message: Inbound) -> None:
        """Hold a message from Millis. Of partial transcripts in a row, the newest will do."""
        self._end_run()
        if type(message) is PartialTranscript and self._replaceable is not None:
            self._items.pop()
            self._frames -= 1
            self._chars -= self._replaceable
        elif self._chars >= MOST_CHARS or self._frames >= MOST_FRAMES:
            self.write()
        if isinstance(message, StreamRequest):
            item = asked(self._ms(at), message, self._lines)
            self._lines = message.data.transcript
            self._hold(item, sum([len(line.content) for line in item[-1]]))
        elif isinstance(message, PartialTranscript):
            chars = len(message.data.transcript)
            self._hold(heard(self._ms(at), message), chars)
            self._replaceable = None if message.data.is_final else chars
        else:
            self._hold(heard(self._ms(at), message), 0)

    def write(self) -> None:
        """Write what is held, unless the call has had its share."""
        self._end_run()
        if self._written > MOST_BYTES:
            self.lost += self._frames
        elif self._items:
            data = pack(self._items)
            self._write(data)
            self._written += len(data)
            if self._written > MOST_BYTES:
                _log.warning("call has too many frames: the rest is not kept")
        self._items = []
        self._frames = self._chars = 0
        self._replaceable = None

    def _hold(self, item: Item, chars: int) -> None:
        self._items.append(item)
        self._frames += 1
        self._chars += chars
        self._replaceable = None

    def _end_run(self) -> None:
        if self.speaking is not None:
            first = self.times[0]
            self._items[-1][3] = [floor((at - first) * 1000) for at in self.times]
            self._frames += len(self.times)
            self.speaking = None

    def _ms(self, at: float) -> int:
        return floor((at - self._start) * 1000)


def only_words(data: StreamResponseData) -> bool:
    """Whether there is nothing but words in a piece."""
    return data.flush is None and data.pause is None and not data.end_of_stream
