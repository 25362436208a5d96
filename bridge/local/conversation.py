"""A call held in time: a caller who takes time to speak, and to whom the answers are played.

Documented (protocol.md §1, and §2 for `pause`, `clear` and `unpause`): Millis detects interruptions
and ends of turns, tells of both, and tells when playback has finished.

Assumed, because nobody outside Millis knows:

- Millis stops playing as soon as somebody speaks, and holds it for an interruption once a first
  word is recognised: then the `interrupt` comes before the first partial transcript.
- Speaking before an answer has begun to be heard interrupts it, too.
- `playback_finished` comes also for an answer without words, at its end; never for one that was
  cut.
- When the socket is lost, what has arrived is played to its end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from bridge.local.answer import Answer, LineLost
from bridge.local.caller import Caller
from bridge.local.playback import Playback
from bridge.local.speaking import Habits, recognised, turn_over


class Conversation:
    """One call in real time, or in a virtual one (local.clock). Get one from `dial`."""

    def __init__(self) -> None:
        self.caller: Caller
        """The messages of the call."""
        self._hearing: dict[Answer, asyncio.Task[None]] = {}
        self._now = asyncio.get_running_loop().time

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(
        cls, url: str, *, habits: Habits | None = None, **about: Any
    ) -> AsyncIterator[Self]:
        """Call a bridge and hang up when the block is left; for the rest, see `Caller.dial`.

        Raises:
            CallRefused: there is no bridge, or it does not take the call.
        """
        talk = cls()
        try:
            async with Caller.dial(
                url, habits=habits or Habits(), begun=talk._begin_to_hear, **about
            ) as talk.caller:
                yield talk
        finally:
            await talk._stop_hearing()

    async def ask(self, text: str) -> Answer:
        """Say something, and hear the whole answer.

        Raises:
            LineLost: the connection is gone.
        """
        return await self.hear(await self.say(text))

    async def say(self, text: str) -> Answer:
        """Say something, now, over the agent if it speaks; return when Millis asks for the answer.

        Raises:
            LineLost: the connection is gone.
        """
        began, habits = self._now(), self.caller.habits
        over = self._hold()
        for news in recognised(text, habits):
            await self._until(began + news.after)
            if over is not None:
                over = None
                await self.caller.interrupt()
            await self._tell_partial(news.transcript, is_final=news.is_final)
        await self._until(began + turn_over(text, habits))
        return await self.caller.request(text)

    async def barge_in(
        self, text: str, *, words: int | None = None, seconds: float | None = None
    ) -> Answer:
        """Say something once so many words have been heard, or so many seconds of the answer.

        If the answer ends before, or brings no word, it is said then.

        Raises:
            LineLost: the connection is gone.
        """

        def moment(playback: Playback) -> float | None:
            due = playback.finished_at
            if words is not None:
                due = _earlier(due, playback.when(words))
            elif seconds is not None and playback.words:
                due = _earlier(due, playback.words[0].begin + seconds)
            return due

        if words is not None or seconds is not None:
            await self.caller.newest.reached(moment)
        return await self.say(text)

    async def cough(self, seconds: float) -> None:
        """Make a noise that Millis stops for, and that turns out to be no words."""
        over = self._hold()
        await asyncio.sleep(seconds)
        if over is not None:
            over.go_on(self._now())

    async def hear(self, answer: Answer) -> Answer:
        """Listen to an answer until it has been played, or there is nothing more to hear."""
        await asyncio.wait({self._hearing[answer]})
        return answer

    def _hold(self) -> Answer | None:
        """Stop the playback: somebody speaks."""
        answer = self.caller.newest if self.caller.answers else None
        if answer is None or not answer.playing(self._now()):
            return None
        answer.hold(self._now())
        return answer

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    async def _tell_partial(self, transcript: str, *, is_final: bool) -> None:
        about = {"session_id": self.caller.session_id}
        data = {**about, "transcript": transcript, "is_final": is_final}
        await self.caller.tell({"type": "partial_transcript", "data": data})

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────

    def _begin_to_hear(self, answer: Answer) -> None:
        self._hearing[answer] = asyncio.create_task(self._hear(answer), name="hear")

    async def _hear(self, answer: Answer) -> None:
        if await answer.reached(lambda playback: playback.finished_at):
            with contextlib.suppress(LineLost):  # whoever speaks next learns of it
                await self.caller.played(answer)

    async def _stop_hearing(self) -> None:
        for task in self._hearing.values():
            task.cancel()
        if self._hearing:
            await asyncio.wait(self._hearing.values())


def _earlier(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
