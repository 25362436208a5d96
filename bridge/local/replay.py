"""Plays a caller on record to a bridge: the same messages, when their time has come."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from bridge.local.answer import Answer, LineLost
from bridge.local.caller import Caller
from bridge.local.door import Door
from bridge.local.replay_script import Cue, Script, letters

_LATE: Final = 3.0
"""Seconds that the bridge may take longer than then to end the call."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the recorded caller speaks."""

    real_time: bool = False
    """Whether silence between turns is kept; else it is skipped."""
    interrupts: Literal["words", "time"] = "words"
    """Whether an interrupt comes after as many words as then, or after as many milliseconds."""
    patience: float = 60.0
    """Seconds that an answer is waited for."""


async def play(
    door: Door,
    script: Script,
    pace: Pace,
    idle: Callable[[], Awaitable[None]],
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Hold a recorded call, to its end or as far as today's bridge goes along.

    `idle` waits until no tool of the call runs; `tell` is called for each request.

    Raises:
        CallRefused: the bridge does not take the call.
    """
    about = dict(script.start)
    session_id, stream_id = about.pop("session_id", ""), about.pop("stream_id", None)
    number = None if stream_id is None else int(stream_id)
    async with Caller.dial(
        door.url, token=door.token, session_id=session_id, stream_id=number, **about
    ) as caller:
        player = _Player(caller, pace, idle)
        with contextlib.suppress(LineLost):  # whatever follows was not asked for
            for cue in script.cues:
                await player.wait(cue)
                if caller.over.is_set():
                    break
                if cue.message is not None:
                    if cue.answered:
                        tell()
                    await caller.tell(cue.message, answered=cue.answered)
            if script.by_agent:
                await player.be_hung_up_on(script.cues[-1])


class _Player:
    """Waits for the moment of each cue."""

    def __init__(self, caller: Caller, pace: Pace, idle: Callable[[], Awaitable[None]]) -> None:
        self._caller = caller
        self._pace = pace
        self._idle = idle
        self._now = asyncio.get_running_loop().time
        self._over_at: dict[Answer, float] = {}

    async def wait(self, cue: Cue) -> None:
        answer = None if cue.stream is None else self._caller.answers.get(cue.stream)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.patience):
                if cue.over:
                    await self._wait_for_end(answer, cue)
                elif answer is not None:
                    await self._wait_in_answer(answer, cue)
                if cue.idle:
                    await self._idle()

    async def be_hung_up_on(self, end: Cue) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(end.ms / 1000 + _LATE, self._pace.patience)):
                await self._caller.over.wait()

    async def _wait_for_end(self, answer: Answer | None, cue: Cue) -> None:
        pause = cue.pause / 1000
        if answer is not None:
            await answer.complete()
            over_at = self._over_at.setdefault(answer, self._now())
            if self._pace.real_time:
                pause = over_at + cue.ms / 1000 - self._now()
        await asyncio.sleep(max(0.0, pause))

    async def _wait_in_answer(self, answer: Answer, cue: Cue) -> None:
        """Wait until as much has been said as then; before the first word, for as long as then."""
        if self._pace.interrupts == "words" and cue.letters:
            heard = 0
            async for piece in answer:
                heard += letters(piece.content)
                if heard >= cue.letters:
                    return
        else:
            await asyncio.sleep(max(0.0, answer.asked_at + cue.ms / 1000 - self._now()))
