"""What is kept of one connection: the record that a call tells everything."""

import asyncio
import time
from collections.abc import Callable

from bridge.call.events import CallBegan, CallData, CallEnded, CallEvent, TurnEnded
from bridge.protocol import Inbound, Outbound, StreamResponse
from bridge.store.notes.chapter import Chapter
from bridge.store.notes.framelog import FrameLog, only_words
from bridge.store.notes.note import Note


class CallRecord:
    """Makes notes of all that is told of a connection: `bridge.call.events.Record`.

    Nothing is noted before something is told, so a connection that never says a word leaves no more
    than how it ended. `clock` may be passed for tests: seconds, of which only differences matter.
    """

    def __init__(
        self,
        keep: Callable[[Note], None],
        flush: Callable[[], None],
        *,
        replica: str,
        level: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or _loop_clock()
        self._chapter = Chapter(keep, flush, self._clock(), replica=replica, level=level)
        self._frames: FrameLog | None = self._chapter.frames

    def note(self, call: CallData, event: CallEvent) -> None:
        """Keep an event."""
        now = self._clock()
        if isinstance(event, CallBegan) and self._chapter.ended:
            self._chapter = self._chapter.next(now)
            self._frames = self._chapter.frames
        self._chapter.take(call, event, now)
        if isinstance(event, CallEnded):
            self._frames = None

    def secure(self, call: CallData, event: TurnEnded) -> None:
        """Keep the end of a turn; it is with the operating system when this returns."""
        del call
        self._chapter.secure(event, self._clock())

    def heard(self, call: CallData, message: Inbound) -> None:
        """Keep a message from Millis."""
        del call
        if self._frames is not None:
            self._frames.hear(self._clock(), message)

    def sent(self, call: CallData, message: Outbound) -> None:
        """Keep a message that goes to Millis now. This happens for each token."""
        del call
        frames = self._frames
        if frames is None:
            return
        if type(message) is StreamResponse:
            data = message.data
            if data.stream_id == frames.speaking and only_words(data):
                frames.times.append(self._clock())
                frames.contents.append(data.content)
                return
        frames.send(self._clock(), message)


def _loop_clock() -> Callable[[], float]:
    """The event loop's clock, without the function around it if it is the usual one."""
    loop = asyncio.get_running_loop()
    usual = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
    return time.monotonic if usual else loop.time
