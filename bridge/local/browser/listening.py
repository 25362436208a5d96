"""From what is noticed in a page's sound to whose turn it is.

Documented (protocol.md §2): at a voice Millis pauses what it plays; then it drops that, or plays
on. With `flow.interruption.allowed` false it does not stop, and what is said meanwhile is lost:
that this is so is assumed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from bridge.local.answer import LineLost
from bridge.local.browser.ears import AFTER, Began, Ears, Ended, Noticed, Words
from bridge.local.conversation import Conversation

Show = Callable[[str, bool], None]
"""Gets the caller's line so far, and whether it is final."""


class Listening:
    """The caller's side of the turns of one call, when it is spoken."""

    def __init__(self, talk: Conversation, show: Show, *, may_interrupt: bool) -> None:
        self._talk = talk
        self._show = show
        self._may_interrupt = may_interrupt
        self._line: list[str] = []
        """The phrases of a turn that is not over."""
        self._deaf = False
        self._over: asyncio.Task[None] | None = None
        self._now = asyncio.get_running_loop().time

    @contextlib.asynccontextmanager
    async def to(self, ears: Ears | None) -> AsyncIterator[None]:
        """Listen, if there are ears, while the block runs."""
        tasks = set[asyncio.Task[None]]()
        if ears is not None:
            tasks.add(asyncio.create_task(self._listen(ears), name="listen to voice"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await self._no_end_of_turn()
        for task in tasks:
            if not task.cancelled():
                task.result()

    def forget(self) -> None:
        """Somebody types instead."""
        self._line.clear()
        if self._over is not None:
            self._over.cancel()

    async def _listen(self, ears: Ears) -> None:
        with contextlib.suppress(LineLost):  # then the call is over
            async with contextlib.aclosing(ears.noticed()) as noticed:
                async for one in noticed:
                    await self._take(one)

    async def _no_end_of_turn(self) -> None:
        """The caller goes on, or the call is over."""
        if self._over is not None:
            self._over.cancel()
            await asyncio.wait({self._over})

    async def _take(self, noticed: Noticed) -> None:
        if isinstance(noticed, Began):
            self._deaf = not self._may_interrupt and self._agent_speaks()
        if self._deaf:
            return
        match noticed:
            case Began():
                await self._no_end_of_turn()
                self._talk.turns.voice()
            case Words(text=text):
                await self._hear(text, is_final=False)
            case Ended(text=""):
                self._talk.turns.nothing()
                self._wait_for_end()
            case Ended(text=text):
                await self._hear(text, is_final=True)
                self._line.append(text)
                self._wait_for_end()

    async def _hear(self, text: str, *, is_final: bool) -> None:
        line = " ".join([*self._line, text])
        self._show(line, is_final)
        await self._talk.turns.words(line, is_final=is_final)

    def _wait_for_end(self) -> None:
        """Ask for the answer, if the caller says nothing more."""
        if self._line:
            self._over = asyncio.create_task(self._ask(), name="end of turn")

    async def _ask(self) -> None:
        await asyncio.sleep(max(0.0, self._talk.caller.habits.end_of_turn - AFTER))
        line = " ".join(self._line)
        self._line.clear()
        with contextlib.suppress(LineLost):  # then the call is over
            await self._talk.turns.over(line)

    def _agent_speaks(self) -> bool:
        caller = self._talk.caller
        return bool(caller.answers) and caller.newest.playing(self._now())
