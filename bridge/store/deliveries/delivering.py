"""Workers that do what is still to be done about calls: one kind of it, some of it at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from bridge.store.chores import Chore
from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.deliveries.delivery import Delivery

log = structlog.get_logger(__name__)

_LOOK: Final = 60.0
"""Seconds after which we look at what other processes have left."""
LAST: Final = 2.0
"""Seconds in which, at the end, what is due is still begun."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """It could not be tried, and no other could."""

    seconds: float


Outcome = PutOff | Literal["done", "failed", "hopeless"]
"""What became of a delivery. If it has failed it is tried again, with longer and longer pauses."""


class Delivering:
    """Tries what is due, from `start` to `stop`; `attempt` tries one and says what became of it."""

    def __init__(
        self,
        deliveries: Deliveries,
        kind: str,
        attempt: Callable[[Delivery], Awaitable[Outcome]],
        *,
        at_once: int = 4,
        breath: float = 0.0,
        last: float = LAST,
        grace: float = 0.0,
    ) -> None:
        """Begin nothing yet.

        `breath`: seconds between two of a worker's. `grace`: seconds after the `last` ones that an
        attempt may still take; then it is cancelled, and another process tries again.
        """
        self._deliveries = deliveries
        self._kind = kind
        self._attempt = attempt
        self._at_once = at_once
        self._breath = breath
        self._last = last
        self._grace = grace
        self.failed = 0
        """Attempts that were in vain."""
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._last_begun = False
        self._looking = Chore(_LOOK)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, first of all with what is left from before."""
        self._task = asyncio.create_task(self._run(), name=self._kind)

    async def stop(self) -> None:
        """Begin what is due, for a last while; the rest is tried after the next start."""
        self._stopping.set()
        self.wake()
        if self._task is None:
            return
        try:
            await asyncio.wait({self._task}, timeout=self._last)
            self._last_begun = True
            await asyncio.wait({self._task}, timeout=self._grace)
        finally:
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()  # a fault of ours is not to go unseen

    def wake(self) -> None:
        """Something new may be due."""
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    # ── ──

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for number in range(self._at_once):
                workers.create_task(self._work(), name=f"{self._kind} {number}")

    async def _work(self) -> None:
        """Try one after the other."""
        while not self._last_begun:
            if not self._looking.wait:
                self._looking.done()
                self._deliveries.look()
            delivery = self._deliveries.due(self._kind, time.time())
            if delivery is not None:
                outcome = await self._attend_to(delivery)
                if not isinstance(outcome, PutOff):
                    await self._pause(self._breath)
                elif self._stopping.is_set():
                    return  # the next process tries them
                else:
                    await self._pause(outcome.seconds)
            elif self._stopping.is_set():
                return
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for the next one. Not for long: somebody may set the clock."""
        seconds = min(self._looking.wait, self._deliveries.wait(self._kind, time.time()))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _attend_to(self, delivery: Delivery) -> Outcome:
        """Try it, and see to it that it is tried again if that was in vain."""
        try:
            outcome = await self._tried(delivery)
            match outcome:
                case "done":
                    self._deliveries.done(delivery)
                case "failed":
                    self.failed += 1
                    self._deliveries.failed(delivery, time.time())
                case "hopeless":
                    self._deliveries.give_up(delivery, "hopeless")
                case PutOff(seconds):
                    self._deliveries.put_back(delivery, time.time() + seconds)
        finally:
            self._deliveries.put_back(delivery, time.time())  # if we were cancelled
        return outcome

    async def _tried(self, delivery: Delivery) -> Outcome:
        try:
            return await self._attempt(delivery)
        except Exception as error:  # SQLAlchemy, the drivers, aiohttp and ssl may raise anything
            log.error("fault in a delivery", delivery=delivery.id, kind=type(error).__name__)  # noqa: TRY400 - its text may hold speech
            log.debug("fault in a delivery", exc_info=error)
            return "failed"
