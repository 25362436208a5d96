"""What one caller gets to hear: the pieces of an answer, and frames that should not be there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from bridge.errors import CallClosed
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

    def __init__(self, stream_id: int, asked_at: float) -> None:
        self.stream_id = stream_id
        self.asked_at = asked_at
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
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return bool(self.ended or self.silenced or self.action or self._lost)

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
            self._news.clear()
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

    # ── what the caller tells it ─────────────────────────────────────────────────────────────────

    def hear(self, piece: Piece, *, end: bool) -> None:
        """Take in one frame; an ending without words is no piece."""
        if piece.content or piece.pause or not end:
            self.pieces.append(piece)
        self.ended = end
        self._news.set()

    def silence(self, why: Silenced) -> None:
        """From now on what comes is too late."""
        self.silenced = self.silenced or why
        self._news.set()

    def act(self, action: Action) -> None:
        """The bridge ends the call or hands it over."""
        self.action = action
        self._news.set()

    def lose(self, error: LineLost) -> None:
        """The connection is gone; an answer that was over stays as it is."""
        if not self.over:
            self._lost = error
        self._news.set()
