"""What one caller gets to hear: the pieces of an answer, and frames that should not be there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from bridge.errors import CallClosed
from bridge.local.playback import Playback
from bridge.protocol import EndCall, TransferCall

Silenced = Literal["interrupted", "superseded"]
Action = EndCall | TransferCall


class LineLost(CallClosed):
    """The bridge closed the socket, or vanished."""

    def __init__(self, close_code: int | None = None) -> None:
        code = f" (close code {close_code})" if close_code is not None else ""
        super().__init__(f"the bridge closed the line{code}")
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame of an answer, as it arrived."""

    content: str
    at: float
    """When it arrived, on the caller's clock, in seconds."""
    flush: bool = False
    pause: int | None = None
    """Milliseconds to wait after it."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A frame that nobody should have to hear."""

    kind: Literal[
        "in_flight",
        "after_interrupt",
        "after_newer_request",
        "after_end",
        "unknown_stream",
        "unreadable",
    ]
    """`in_flight`: sent before the bridge had read that it should be silent. No violation."""
    at: float
    stream_id: int | None = None
    detail: str = ""


class Answer:
    """One stream as the caller hears it. Iterate over it to get its pieces as they arrive."""

    def __init__(self, stream_id: int, asked_at: float, playback: Playback | None = None) -> None:
        self.stream_id = stream_id
        self.asked_at = asked_at
        self.playback = playback
        """How it sounds; None where it is read as it comes. To hold it, `hold` and `go_on`."""
        self.pieces: list[Piece] = []
        self.ended = False
        """Whether its `end_of_stream` came."""
        self.silenced: Silenced | None = None
        self.silence_read = False
        """Whether the bridge has certainly read what silenced it: what comes now is too late."""
        self.action: Action | None = None
        """What came instead of words, or after them."""
        self._lost: LineLost | None = None
        self._news = asyncio.Event()

    @property
    def text(self) -> str:
        """What was received to be spoken; after an interrupt, what had come until then."""
        return "".join(piece.content for piece in self.pieces)

    @property
    def first_word(self) -> float | None:
        """Seconds from the request to the first word; None if there was none."""
        times = (piece.at for piece in self.pieces if piece.content.strip())
        first = next(times, None)
        return None if first is None else first - self.asked_at

    @property
    def dead_air(self) -> float | None:
        """The longest time in which the caller heard nothing of it, from the request to its end.

        None where nothing is played, or nothing ever came.
        """
        if self.playback is None:
            return None
        spoken = [(word.begin, word.end) for word in self.playback.words]
        end = self.playback.finished_at  # none if it was cut: then it was not waited for
        ends = [self.asked_at, *(until for _, until in spoken)]
        begins = [*(since for since, _ in spoken), *([] if end is None else [end])]
        return max((b - e for e, b in zip(ends, begins, strict=False)), default=None)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.ended or self.silenced or self.action or self._lost)

    @property
    def lost(self) -> bool:
        """Whether the connection went before its end came."""
        return self._lost is not None

    def playing(self, at: float) -> bool:
        """Whether there is, or may yet come, something of it to be heard."""
        if self.silenced or self.action or self.lost or self.playback is None:
            return False
        finished = self.playback.finished_at
        return finished is None or finished > at

    def heard(self, at: float) -> str:
        """What the caller knows of it by then."""
        return self.text if self.playback is None else self.playback.played(at)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """Give the pieces as they arrive, until the answer is over.

        Raises:
            LineLost: the connection ended first.
        """
        position = 0
        while True:
            while position < len(self.pieces):
                yield self.pieces[position]
                position += 1
            if self.over:
                break
            await self._news.wait()
        if self._lost is not None:
            raise self._lost

    async def complete(self) -> "Answer":
        """Wait until the answer is over.

        Raises:
            LineLost: the connection ended first.
        """
        async for _ in self:
            pass
        return self

    async def reached(self, moment: Callable[[Playback], float | None]) -> bool:
        """Wait for a moment of the playback, which may move; False if it will never come."""
        now = asyncio.get_running_loop().time
        while self.playback is not None:
            at = moment(self.playback)
            if at is not None and at <= now():
                return True
            if at is None and self.over and not (self.playback.held or self.playback.waits):
                break
            await self.change(until=at)
        return False

    async def change(self, until: float | None = None) -> None:
        """Wait until anything is different from now, or for that moment."""
        news = self._news
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await news.wait()

    # ── what the caller does to it ───────────────────────────────────────────────────────────────

    def hold(self, at: float) -> None:
        """Play no further: somebody speaks."""
        if self.playback is not None:
            self.playback.hold(at)
            self._tell()

    def go_on(self, at: float) -> None:
        """Play on: it was nothing."""
        if self.playback is not None:
            self.playback.go_on(at)
            self._tell()

    def speak_on(self, at: float) -> None:
        """Play what waited for the voice."""
        if self.playback is not None:
            self.playback.speak_on(at)
            self._tell()

    # ── what the caller tells it ─────────────────────────────────────────────────────────────────

    def hear(self, piece: Piece, *, end: bool) -> None:
        """Take in one frame; an ending without words is no piece."""
        if piece.content or piece.pause or not end:
            self.pieces.append(piece)
        if self.playback is not None:
            pause = (piece.pause or 0) / 1000
            self.playback.hear(piece.content, piece.at, flush=piece.flush, pause=pause)
            if end:
                self.playback.end(piece.at)
        self.ended = end
        self._tell()

    def silence(self, why: Silenced, at: float) -> None:
        """From now on what comes is too late, and what was not played is not heard any more."""
        self.silenced = self.silenced or why
        self._stop(at)

    def overtake(self, at: float) -> None:
        """Something newer was asked for."""
        if not self.over:
            self.silence("superseded", at)
        elif self.playing(at):
            self._stop(at)

    def act(self, action: Action, at: float) -> None:
        """The bridge ends the call or hands it over: nothing more is played."""
        self.action = action
        self._stop(at)

    def lose(self, error: LineLost) -> None:
        """The connection is gone; an answer that was over stays as it is."""
        if not self.over:
            self._lost = error
        self._tell()

    def _stop(self, at: float) -> None:
        if self.playback is not None:
            self.playback.cut(at)
        self._tell()

    def _tell(self) -> None:
        """Wake all who wait: each waits for the event that was there when it looked."""
        news, self._news = self._news, asyncio.Event()
        news.set()
