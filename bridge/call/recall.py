"""What a call is told of the calls before it, while that is looked up: speech hardly waits for it.

Two things may be on record: where this very call has left off, if its socket was lost on another
process; and an earlier call that it goes on from.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from bridge.call.delivery import now
from bridge.call.earlier import Earlier
from bridge.call.events import CallData
from bridge.call.ledger import Entry
from bridge.call.memory import Memory, Past, memory_of

T = TypeVar("T")

WAIT_FOR_DEEDS: Final = 0.1
"""Seconds after `start_call` in which the first reply may wait to know whether the call was under
way: a greeting is not said twice."""
WAIT_FOR_MEMORY: Final = 0.3
"""Seconds after `start_call` in which a reply of the model's may wait for the memory."""

COUNTS: Final = ("found", "unknown", "refused", "late", "away")
"""How it went with earlier calls: remembered; none there, or without words; not one for this
caller; a reply had to go without it; the database did not answer."""

_TICK: Final = 0.02
"""Seconds after which a wait looks whether the record is still well."""

_log = structlog.get_logger(__name__)


class Recall:
    """The look-ups of one call. A new conversation on its socket begins them anew."""

    def __init__(
        self,
        earlier: Earlier,
        budget: int,
        counts: Counter[str],
        *,
        resume: Callable[[Sequence[Entry]], None],
        remembered: Callable[[Memory], None],
    ) -> None:
        self._earlier = earlier
        self._budget = budget
        """Tokens of a memory."""
        self._counts = counts
        self._resume = resume
        self._remembered = remembered
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._deeds: asyncio.Task[None] | None = None
        self._past: asyncio.Task[None] | None = None
        self._began = 0.0
        self._resumed: tuple[Entry, ...] = ()
        self._memory: Memory | None = None
        self._late = False

    def begin(self, call: CallData, *, known: bool) -> None:
        """Look up what is on record for a call. `known`: where it left off is known already."""
        self.forget()
        self._began = now()
        if call.session_id and not known and self._earlier.kept:
            self._deeds = self._start(self._look_for_deeds(call), "resume")
        if self._earlier.asks(call):
            self._past = self._start(self._look_for_past(call), "recall")

    def forget(self) -> None:
        """The conversation is over."""
        for task in self._tasks:
            task.cancel()
        self._deeds = self._past = self._memory = None
        self._resumed, self._late = (), False

    async def stopped(self) -> None:
        """Look for nothing any more. When this returns, no task is alive."""
        self.forget()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def resumed(self) -> tuple[Entry, ...]:
        """The turns of this call on sockets of other processes, if they are known in time."""
        if self._deeds is not None:
            await self._wait(self._deeds, WAIT_FOR_DEEDS)
        return self._resumed

    async def memory(self) -> str:
        """What the model reads of an earlier call, if that is known in time; else empty."""
        if (past := self._past) is not None:
            await self._wait(past, WAIT_FOR_MEMORY)
            if not past.done() and not self._late:
                self._late = True
                self._counts["late"] += 1
        return "" if self._memory is None else self._memory.text

    # ── the tasks ────────────────────────────────────────────────────────────────────────────────

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks += (task,)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks = tuple(each for each in self._tasks if each is not task)
        self._deeds = None if self._deeds is task else self._deeds
        self._past = None if self._past is task else self._past
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("looking up earlier calls broke", error=type(error).__name__)

    async def _wait(self, task: asyncio.Task[None], seconds: float) -> None:
        """Wait for a look-up, but not beyond so many seconds after the call began."""
        left = self._began + seconds - now()
        while not task.done() and left > 0 and self._earlier.healthy:
            await asyncio.wait({task}, timeout=min(left, _TICK))
            left -= _TICK  # not by the clock: if the loop was held up, the database is not to blame

    async def _look_for_deeds(self, call: CallData) -> None:
        entries = await self._earlier.deeds(call)
        if entries:
            self._resumed = tuple(entries)
            self._resume(entries)

    async def _look_for_past(self, call: CallData) -> None:
        found = await self._earlier.past(call)
        if not isinstance(found, Past):
            self._counts[found] += 1
        elif (memory := memory_of(found, self._budget, datetime.now(UTC))) is None:
            self._counts["unknown"] += 1
        else:
            self._counts["found"] += 1
            self._memory = memory
            self._remembered(memory)
