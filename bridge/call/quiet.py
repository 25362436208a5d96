"""A caller who says nothing: asked again, step by step, and at last let go."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bridge.call.farewell import playing_time


class Quiet:
    """Waits for the caller to speak, after they have heard an answer.

    Each line of the ladder is said after another wait; the last one is the goodbye.
    """

    def __init__(
        self,
        after: Callable[[], float],
        ladder: Callable[[], Sequence[str]],
        speak: Callable[[str, bool], Awaitable[None]],
        busy: Callable[[], bool],
    ) -> None:
        self._after = after
        """Gives seconds; 0 switches it off."""
        self._ladder = ladder
        self._speak = speak
        """Gets a line, and whether it is the last."""
        self._busy = busy
        self._step = 0
        self._waiting: tuple[asyncio.Task[None], ...] = ()

    def begin(self) -> None:
        """The caller has heard the end of something: from now on it is their turn."""
        self.pause()
        if self._after() > 0:
            task = asyncio.create_task(self._climb(), name="quiet")
            self._waiting += (task,)
            task.add_done_callback(self._waited)

    def pause(self) -> None:
        """Something is being said or done."""
        for task in self._waiting:
            task.cancel()

    def spoke(self) -> None:
        """The caller said something: begin again at the first step."""
        self._step = 0
        self.pause()

    async def stopped(self) -> None:
        """Stop waiting."""
        self.pause()
        if self._waiting:
            await asyncio.wait(self._waiting)

    def _waited(self, task: asyncio.Task[None]) -> None:
        self._waiting = tuple(each for each in self._waiting if each is not task)

    async def _climb(self) -> None:
        pause = self._after()
        while True:
            await asyncio.sleep(pause)
            ladder = self._ladder()
            if self._step >= len(ladder):
                return
            if self._busy():
                pause = self._after()
                continue
            line = ladder[self._step]
            self._step += 1
            await self._speak(line, self._step == len(ladder))
            # Millis may not report the end of this line: the stream had its end already.
            pause = playing_time(line) + self._after()
