"""The words of one reply on their way out: made speakable, paced, joined, held, fenced."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bridge.call.ports import AnswerFull, Line
from bridge.errors import CallClosed
from bridge.protocol import Outbound, end_of_stream, words
from bridge.speech import Lexicon, Pacer, Speakable, Text, flushed, speak


def now() -> float:
    """Seconds on the event loop's clock, which a test or a simulation may run faster."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Manner:
    """How replies are spoken."""

    lexicon: Lexicon
    flush_first_clause: bool
    max_chars: int
    """Characters a reply may have."""


class Delivery:
    """Everything that one reply sends. Closing it is the fence: nothing leaves after that.

    Several tasks speak here: the reply, its tools, the fillers. All that is to be sent queues up,
    and whoever waits for it sends it on, in order, because a line takes a message before it waits.
    Without a stream the queue only grows: the reply was begun before Millis asked for it.
    """

    def __init__(self, line: Line, manner: Manner, stream_id: int | str | None) -> None:
        self._line = line
        self._manner = manner
        self._stream_id = stream_id
        self._queue: deque[tuple[Text, bool]] = deque()
        """What is to be sent, and whether it is the model's own."""
        self._speakable: Speakable | None = None
        """Of the message that is being spoken."""
        self._pacer = Pacer(first_clause=manner.flush_first_clause)
        self._said: list[str] = []
        self._last_char = ""
        self._apart = False
        self._over = False
        self.closed = False
        self.hung_up = False
        self.sent = 0
        """Characters of the model's own words, the held ones included."""
        self.announced = False
        """Whether a tool spoke."""
        self.flushed = True
        """Whether Millis was told, or will be, to speak all it has."""
        self._unspoken: Counter[str] = Counter()
        """What was left unspoken of the messages that are over."""
        self.last_at = now()
        """When something was sent last."""
        self.first_at: float | None = None
        """When the first word left, on the monotonic clock; fillers do not count."""

    @property
    def said(self) -> str:
        """All that was sent to be spoken."""
        return "".join(self._said)

    @property
    def unspoken(self) -> Mapping[str, int]:
        """What was left out of the model's messages, as not fit to be spoken: how many, by kind."""
        counts = self._unspoken.copy()
        if self._speakable is not None:
            counts.update(self._speakable.dropped)
        return counts

    @property
    def waiting(self) -> bool:
        """Whether something is held, or on its way."""
        return bool(self._queue)

    # ── the model's message ──────────────────────────────────────────────────────────────────────

    async def say(self, text: str) -> None:
        """Pass on these words of the model's message as they come."""
        if self._speakable is None:
            self._speakable = Speakable(self._manner.lexicon)
        await self._deliver(self._pacer.pace(self._speakable.feed(text)))

    async def finish_message(self, *, wait_follows: bool) -> None:
        """Pass on what was held back of the message."""
        said = [] if self._speakable is None else self._speakable.finish()
        pieces = self._pacer.pace(said)
        self.drop_message()
        if wait_follows and (pieces or not self.flushed):
            pieces = flushed(pieces)
        await self._deliver(pieces)
        self._part()

    def drop_message(self) -> None:
        """Forget what was held back of the message."""
        if self._speakable is not None:
            self._unspoken.update(self._speakable.dropped)
            self._speakable = None

    # ── texts beside it ──────────────────────────────────────────────────────────────────────────

    async def announce(self, text: str) -> None:
        """Speak a whole text of its own, at once and in one piece."""
        self._part()
        if pieces := speak(text, self._manner.lexicon):
            for piece in flushed(pieces):
                self._enqueue(piece)
            self._part()
            await self.pass_on()

    async def flush(self) -> None:
        """Have Millis speak what it has of an unfinished sentence."""
        if not self.flushed:
            self._enqueue(Text("", flush=True))
            await self.pass_on()

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """From now on nothing leaves. The fence stands when this returns."""
        self.closed = True

    def release(self, stream_id: int | str) -> None:
        """Millis has asked for this reply: what was held may be sent, under this stream."""
        self._stream_id = stream_id
        self.last_at = now()

    async def pass_on(self) -> None:
        """Send what is in the queue, also what others have put there.

        Raises:
            CallClosed: nobody is there any more.
        """
        if self._stream_id is None:
            return
        while self._queue and not self.closed:
            message = self._next_piece(self._stream_id)
            if self._line.ready:
                self._put(message)
            else:
                await self._send(message)
        if self.hung_up:
            raise CallClosed

    async def finish(self) -> None:
        """Take no more words, and send those that are left."""
        self._over = True
        await self.pass_on()

    async def end(self) -> None:
        """Send the last frame of the stream: it is on the wire before this first waits."""
        assert self._stream_id is not None  # noqa: S101 - a reply ends after its release
        await self._send(end_of_stream(self._stream_id))

    async def _deliver(self, pieces: Iterable[Text]) -> None:
        """Send pieces of the model's own, up to the length limit."""
        most = self._manner.max_chars
        for piece in pieces:
            room = most - self.sent
            if room > 0:
                if len(piece.content) > room:
                    piece = replace(piece, content=piece.content[:room])  # noqa: PLW2901
                self.sent += len(piece.content)
                self._enqueue(piece, own=True)
        await self.pass_on()
        if self.sent >= most:
            raise AnswerFull

    def _enqueue(self, piece: Text, *, own: bool = False) -> None:
        if self.closed or self._over:
            return
        if piece.content:
            if self._apart and not piece.content[0].isspace():
                piece = replace(piece, content=f" {piece.content}")
            self._apart = False
            self._last_char = piece.content[-1]
        self.flushed = piece.flush or (self.flushed and not piece.content)
        self._queue.append((piece, own))

    def _next_piece(self, stream_id: int | str) -> Outbound:
        piece, own = self._queue.popleft()
        self.last_at = now()
        if piece.content:
            self._said.append(piece.content)
            if own and self.first_at is None:
                self.first_at = self.last_at
        return words(stream_id, piece.content, flush=piece.flush, pause=piece.pause)

    def _put(self, message: Outbound) -> None:
        try:
            self._line.put(message)
        except CallClosed:
            self.closed = self.hung_up = True
            raise

    async def _send(self, message: Outbound) -> None:
        if self.closed:
            return
        try:
            await self._line.send(message)
        except CallClosed:
            self.closed = self.hung_up = True
            raise

    def _part(self) -> None:
        """Keep the next words apart from the last ones."""
        self._apart = bool(self._last_char) and not self._last_char.isspace()
