"""One reply: the part that may be cancelled and the part that must happen, in two tasks.

One task with `finally` would lose the ending: a task cancelled before its first step never runs its
`finally`, and an interrupt that lands while the ending is being sent loses it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import structlog

from bridge.call.ports import (
    AnswerFull,
    CallEvent,
    Line,
    ToolEvent,
    TurnBegan,
    TurnEnded,
    TurnOutcome,
    Voice,
)
from bridge.call.toolruns import ToolRuns
from bridge.errors import AgentError, CallClosed
from bridge.protocol import Outbound, end_of_stream, words
from bridge.speech import Lexicon, Pacer, Speakable, Text, flushed, speak

T = TypeVar("T")

Silence = Literal["interrupted", "superseded", "hung_up"]

_CANCEL_AGAIN = 0.05
"""Seconds after which a reply that swallowed its cancellation is cancelled again (on Python 3.11
`asyncio.wait_for`, which many libraries use, can lose one: cpython #86296)."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TurnSetup:
    """What every turn of a call shares."""

    line: Line
    tools: ToolRuns
    tell: Callable[[CallEvent], None]
    apology: Callable[[], str]
    timeout: float
    """Seconds a reply may take, tools included."""
    max_chars: int
    """Characters a reply may have."""
    lexicon: Lexicon
    flush_first_clause: bool


class Turn:
    """One reply. `_speaking` may be cancelled at any moment; `_ending` never is.

    Constructing a turn starts it, so there is no "not yet started" to handle. As long as the socket
    lives, exactly one `end_of_stream` is sent, last, unless the turn is silenced: then nothing more
    is sent at all.
    """

    def __init__(
        self,
        stream_id: int | str,
        reply: Callable[[Voice], Awaitable[None]],
        setup: TurnSetup,
        *,
        if_empty: Callable[[], str],
    ) -> None:
        self.stream_id = stream_id
        self._setup = setup
        self._if_empty = if_empty
        self._speakable = Speakable(setup.lexicon)
        self._pacer = Pacer(first_clause=setup.flush_first_clause)
        self._silence: Silence | None = None
        self._said: list[str] = []
        self._sent = 0
        self._apart = False
        self._began = time.monotonic()
        self._first_word: float | None = None
        setup.tell(TurnBegan(stream_id))
        self._speaking = asyncio.create_task(self._speak(reply), name=f"speak {stream_id}")
        self._ending = asyncio.create_task(self._end(), name=f"end {stream_id}")

    @property
    def over(self) -> bool:
        """Whether nothing will be sent any more."""
        return self._silence is not None or self._ending.done()

    @property
    def done(self) -> bool:
        """Whether its tasks have ended."""
        return self._ending.done()

    # ── stopping ─────────────────────────────────────────────────────────────────────────────────

    def silence(self, why: Silence) -> None:
        """From now on nothing leaves. The fence stands when this returns; the work stops soon."""
        if self._silence is None and not self._ending.done():
            self._silence = why
            self._speaking.cancel()

    async def stopped(self) -> None:
        """Wait until the turn's tasks have ended, cancelling again what swallowed a cancel."""
        while not (await asyncio.wait({self._ending}, timeout=_CANCEL_AGAIN))[0]:
            if self._silence is not None and not self._speaking.done():
                _log.warning("reply ignored its cancellation", stream_id=self.stream_id)
                self._speaking.cancel()

    # ── what the agent may do: ports.Voice ───────────────────────────────────────────────────────

    @property
    def sent(self) -> int:
        """Characters of speech that have left for the caller in this reply."""
        return self._sent

    async def say(self, text: str) -> None:
        """Speak these words of the model's message as they come."""
        for piece in self._pacer.pace(self._speakable.feed(text)):
            await self._send(piece)

    async def finish_message(self, *, wait_follows: bool = False) -> None:
        """Speak what was held back of the message; at once if a wait follows it."""
        pieces = self._pacer.pace(self._speakable.finish())
        self._speakable = Speakable(self._setup.lexicon)
        if wait_follows and self._said:
            pieces = flushed(pieces)
        for piece in pieces:
            await self._send(piece)
        self._part()

    def drop_message(self) -> None:
        """Forget what was held back of a message that failed."""
        self._speakable = Speakable(self._setup.lexicon)

    async def announce(self, text: str) -> None:
        """Speak a whole text of its own, now, beside the model's message."""
        self._part()
        if pieces := speak(text, self._setup.lexicon):
            for piece in flushed(pieces):
                await self._send(piece)
        self._part()

    def start_tool(self, run: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a tool in a task that the call owns."""
        return self._setup.tools.start(run)

    def tell(self, event: ToolEvent) -> None:
        """Let the call know how a tool is getting on."""
        self._setup.tell(event)

    # ── the two tasks ────────────────────────────────────────────────────────────────────────────

    async def _speak(self, reply: Callable[[Voice], Awaitable[None]]) -> None:
        with contextlib.suppress(AnswerFull):
            async with asyncio.timeout(self._setup.timeout):
                await reply(self)
            await self.finish_message()

    async def _end(self) -> None:
        await asyncio.wait({self._speaking})
        failure = self._failure()
        if self._silence is None:
            with contextlib.suppress(CallClosed, AnswerFull):
                await self._conclude(failure)
        self._setup.tell(
            TurnEnded(
                self.stream_id,
                self._outcome(failure),
                "".join(self._said),
                self._first_word,
                failure,
            )
        )

    async def _conclude(self, failure: str | None) -> None:
        try:
            if failure is not None:
                await self.announce(self._setup.apology())
            elif not self._sent and (text := self._if_empty()):
                await self.announce(text)
        finally:
            if self._silence is None:
                await self._put(end_of_stream(self.stream_id))

    def _failure(self) -> str | None:
        """What went wrong, as a word from a fixed set; logs what nobody else has."""
        if self._speaking.cancelled():
            return None if self._silence else "cancelled"
        match self._speaking.exception():
            case None | CallClosed():
                return None
            case AgentError() as error:
                _log.debug("reply failed", stream_id=self.stream_id, exc_info=error)
                return error.kind
            case TimeoutError():
                return "turn_timeout"
            case error:
                _log.error("reply broke", stream_id=self.stream_id, exc_info=error)
                return "bug"

    def _outcome(self, failure: str | None) -> TurnOutcome:
        if self._silence is not None:
            return self._silence
        if failure is not None:
            return "failed"
        return "complete" if self._sent else "empty"

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────

    async def _send(self, piece: Text) -> None:
        if self._silence is not None:
            return
        content = piece.content
        if self._apart and content:
            content = content if content[0].isspace() else f" {content}"
            self._apart = False
        content = content[: self._setup.max_chars - self._sent]
        if content:
            self._sent += len(content)
            self._said.append(content)
            if self._first_word is None:
                self._first_word = time.monotonic() - self._began
        await self._put(words(self.stream_id, content, flush=piece.flush, pause=piece.pause))
        if self._sent >= self._setup.max_chars:
            raise AnswerFull

    async def _put(self, message: Outbound) -> None:
        try:
            await self._setup.line.send(message)
        except CallClosed:
            self._silence = self._silence or "hung_up"
            raise

    def _part(self) -> None:
        """Keep the next words apart from the last ones."""
        self._apart = bool(self._said) and not self._said[-1][-1].isspace()
