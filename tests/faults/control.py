"""The control call: a healthy caller who talks through every case, and the loop's pulse."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.history import Answered, Control
from tests.wire import Wire

AGENT = "ctl"
"""Leads to a persona whose model is on a server of its own: no case's script is for it."""
_PAUSE = 0.03
_PULSE = 0.005


@dataclass
class ControlCall:
    """Asks one question after the other. Between the cases it only holds the line."""

    wire: Wire
    _answers: list[Answered] = field(default_factory=list)
    _held: float = 0.0
    _number: int = 0

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Talk meanwhile; at the end wait for the last answer."""
        self._answers, self._held = [], 0.0
        over = asyncio.Event()
        pulse = asyncio.create_task(self._pulse(), name="pulse")
        talk = asyncio.create_task(self._talk(over), name="control call")
        try:
            yield
        finally:
            over.set()
            await asyncio.wait({talk})
            pulse.cancel()
            await asyncio.wait({pulse})
        talk.result()

    @property
    def met(self) -> Control:
        """What it met with when it last talked."""
        return Control(tuple(self._answers), self._held)

    async def _talk(self, over: asyncio.Event) -> None:
        while not (over.is_set() and self._answers):
            self._number += 1
            question, asked = f"{AGENT} {self._number}", time.monotonic()
            await self.wire.ask(self._number, question)
            await self.wire.first_word(self._number)
            seconds = time.monotonic() - asked
            self._answers.append(Answered(question, await self.wire.answer(self._number), seconds))
            self.wire.got.clear()
            await asyncio.sleep(_PAUSE)

    async def _pulse(self) -> None:
        """Take notice of what holds the loop: by its CPU time, as the machine may be busy."""
        while True:
            before = time.thread_time()
            await asyncio.sleep(_PULSE)
            self._held = max(self._held, time.thread_time() - before)
