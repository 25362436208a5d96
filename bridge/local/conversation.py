"""A call held in time: a caller who takes time to speak, and to whom the answers are played.

Documented (protocol.md §1): Millis tells when the playback of an answer has finished.

Assumed, because nobody outside Millis knows: it tells that also of an answer without words, at its
end, and never of one that was cut; when the socket is lost, what has arrived is played to its end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from bridge.local.answer import Answer, LineLost
from bridge.local.caller import Caller
from bridge.local.playback import Playback
from bridge.local.speaking import Habits, recognised, turn_over
from bridge.local.turntaking import TurnTaking


class Conversation:
    """One call in real time, or in a virtual one (local.clock). Get one from `dial`."""

    def __init__(self, begun: Callable[[Answer], None] = lambda _: None) -> None:
        self.caller: Caller
        """The messages of the call."""
        self.turns: TurnTaking
        """What Millis does with the caller's voice."""
        self._begun = begun
        self._hearing: dict[Answer, asyncio.Task[None]] = {}
        self._now = asyncio.get_running_loop().time

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(
        cls,
        url: str,
        *,
        habits: Habits | None = None,
        begun: Callable[[Answer], None] = lambda _: None,
        **about: Any,
    ) -> AsyncIterator[Self]:
        """Call a bridge and hang up when the block is left; for the rest, see `Caller.dial`.

        `begun` is told of each answer before anything of it is heard.

        Raises:
            CallRefused: there is no bridge, or it does not take the call.
        """
        talk = cls(begun)
        try:
            async with Caller.dial(
                url, habits=habits or Habits(), begun=talk._begin_to_hear, **about
            ) as talk.caller:
                talk.turns = TurnTaking(talk.caller)
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
        self.turns.voice()
        for news in recognised(text, habits):
            await self._until(began + news.after)
            await self.turns.words(news.transcript, is_final=news.is_final)
        await self._until(began + turn_over(text, habits))
        return await self.turns.over(text)

    async def barge_in(
        self, text: str, *, words: int | None = None, seconds: float | None = None
    ) -> Answer:
        """Say something once so many words have been heard, or so many seconds of the answer.

        If the answer ends before, or brings no word, it is said then.

        Raises:
            LineLost: the connection is gone.
        """
        await self.heard(words=words, seconds=seconds)
        return await self.say(text)

    async def heard(self, *, words: int | None = None, seconds: float | None = None) -> None:
        """Wait until so much of the newest answer was heard, or until it ends before."""

        def moment(playback: Playback) -> float | None:
            due = playback.finished_at
            if words is not None:
                due = _earlier(due, playback.when(words))
            elif seconds is not None and playback.words:
                due = _earlier(due, playback.words[0].begin + seconds)
            return due

        if words is not None or seconds is not None:
            await self.caller.newest.reached(moment)

    async def cough(self, seconds: float) -> None:
        """Make a noise that Millis stops for, and that turns out to be no words."""
        self.turns.voice()
        await asyncio.sleep(seconds)
        self.turns.nothing()

    async def hear(self, answer: Answer) -> Answer:
        """Listen to an answer until it has been played, or there is nothing more to hear."""
        hearing = self._hearing[answer]
        await asyncio.wait({hearing})
        hearing.result()
        return answer

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────

    def _begin_to_hear(self, caller: Caller, answer: Answer) -> None:
        self._hearing[answer] = asyncio.create_task(_hear(caller, answer), name="hear")
        self._begun(answer)

    async def _stop_hearing(self) -> None:
        for task in self._hearing.values():
            task.cancel()
        if self._hearing:
            await asyncio.wait(self._hearing.values())


async def _hear(caller: Caller, answer: Answer) -> None:
    """Tell the bridge when the caller has heard all of an answer."""
    if await answer.reached(lambda playback: playback.finished_at):
        with contextlib.suppress(LineLost):  # whoever speaks next learns of it
            await caller.played(answer)


def _earlier(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
