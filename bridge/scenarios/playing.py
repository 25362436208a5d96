"""The caller of a scenario: says its turns one after another, as far as the call goes."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.local.answer import Action, Answer, LineLost
from bridge.local.conversation import Conversation
from bridge.scenarios.form import Turn

GREETING: Final = -1


@dataclass(slots=True)
class Played:
    """What the caller got to hear of one turn."""

    turn: int
    """Counts from 0; `GREETING` for the greeting."""
    at: float
    """When it began, on the caller's clock."""
    answer: Answer | None = None
    """None where there is none: of a cough, a silence, a call that was over."""
    unasked: list[Answer] = field(default_factory=list)
    """What was said in a silence."""
    action: Action | None = None
    """What the agent did to the line after it."""
    problem: str = ""
    """What kept it from being what it was meant to be."""


class Player:
    """Plays one call."""

    def __init__(
        self, talk: Conversation, patience: float, farewell: Callable[[Answer], float]
    ) -> None:
        """Be ready to play.

        `patience`: seconds that an answer may take. `farewell`: seconds after which the bridge will
        have ended the call, if it means to do so after this answer.
        """
        self.played: list[Played] = []
        self._talk = talk
        self._patience = patience
        self._farewell = farewell
        self._now = asyncio.get_running_loop().time

    async def play(self, turns: Sequence[Turn], begin: Callable[[Turn], None]) -> None:
        """Say everything. `begin` is told of each turn before anything of it is said."""
        try:
            self._note(GREETING).answer = self._talk.caller.greeting
            for number, turn in enumerate(turns):
                await self._wait_for(turn)
                begin(turn)
                played = self._note(number)
                if self._talk.caller.over.is_set():
                    played.problem = "the call was over before this turn"
                    return
                await self._do(turn, played)
            await self._hear_out()
        except LineLost as error:
            ended = self._talk.caller.action is not None
            self.played[-1].problem = "the agent had ended the call" if ended else str(error)
        except TimeoutError:
            self.played[-1].problem = f"no end of the answer within {self._patience:g} s"

    def _note(self, number: int) -> Played:
        self.played.append(Played(number, self._now()))
        return self.played[-1]

    async def _wait_for(self, turn: Turn) -> None:
        """Wait until it is time for a turn."""
        if turn.barge_in is None and turn.cough is None:
            await self._hear_out()
        else:
            async with asyncio.timeout(self._patience):
                await self._talk.heard(words=turn.after_words, seconds=turn.after_seconds)

    async def _do(self, turn: Turn, played: Played) -> None:
        caller = self._talk.caller
        before = caller.newest
        if turn.say is None and turn.silence is None and not before.playing(self._now()):
            played.problem = "nothing was to be heard any more that it could be spoken over"
        if turn.cough is not None:
            await self._talk.cough(turn.cough)
        elif turn.silence is not None:
            heard = len(caller.unasked)
            await asyncio.sleep(turn.silence)
            played.unasked = caller.unasked[heard:]
            self._note_action()
        else:
            played.answer = await self._talk.say(turn.say or turn.barge_in or "")

    async def _hear_out(self) -> None:
        """Hear the newest answer to its end, and what it does to the line."""
        caller = self._talk.caller
        answer = caller.newest
        async with asyncio.timeout(self._patience):
            await answer.complete()
        await self._talk.hear(answer)
        with contextlib.suppress(TimeoutError):  # then it goes on
            async with asyncio.timeout(self._farewell(answer)):
                await caller.over.wait()
        self._note_action()

    def _note_action(self) -> None:
        """What was done to the line was done after the last that was said."""
        if not any(played.action for played in self.played):
            last = next(p for p in reversed(self.played) if p.answer is not None or p.unasked)
            last.action = self._talk.caller.action
