"""No dead air: a filler while the caller waits, a flush where the model stops in mid-sentence."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bridge.call.delivery import Delivery, now
from bridge.errors import CallClosed


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller may hear nothing."""

    filler_after: float = 1.5
    """Seconds without a word until the first filler; 0 for no fillers."""
    filler_growth: float = 2.5
    """How much longer than the one before each further wait is."""
    most_fillers: int = 3
    flush_after: float = 0.8
    """Seconds after which an unfinished sentence is spoken as far as it goes."""


class Fillers:
    """The fillers of a call; never the same twice running."""

    def __init__(self, texts: Callable[[], Sequence[str]]) -> None:
        self._texts = texts
        self._last = ""

    def pick(self, preferred: Sequence[str] = ()) -> str:
        """One of a running tool's own, or one of everybody's; empty if there is none."""
        for texts in (preferred, self._texts()):
            if choice := [text for text in texts if text != self._last]:
                self._last = random.choice(choice)  # noqa: S311 - no secret
                return self._last
        return ""


class Company:
    """Keeps the caller of one reply company, from `begin` to `stop`.

    Fillers until the model speaks, then a flush of what it leaves unfinished. Once the model has
    said something there are no fillers any more, also while its tools run. Most replies need
    neither: there is a timer, and a task only while something is sent.
    """

    def __init__(self, delivery: Delivery, patience: Patience, fillers: Fillers) -> None:
        self.tools: dict[str, str] = {}
        """Fillers of the tools that run, by use; a line each."""
        self._delivery = delivery
        self._patience = patience
        self._fillers = fillers
        self._wait = patience.filler_after
        """Seconds without a word until the next filler."""
        self._given = 0
        self.spoken = 0
        """Fillers that the caller heard."""
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Millis has asked: send first what was held until then."""
        if self._delivery.waiting:
            self._send(self._delivery.pass_on)
        else:
            self._look()

    async def stop(self) -> None:
        """Nothing more comes of it. When this returns, no task is alive."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
            self._sending = None

    def _look(self) -> None:
        """Speak if it is time, else look again when it may be."""
        delivery, patience = self._delivery, self._patience
        if delivery.closed:
            return
        fillers = not delivery.sent and self._wait > 0 and self._given < patience.most_fillers
        left = delivery.last_at + (self._wait if fillers else patience.flush_after) - now()
        if left > 0:
            # No later: it may speak, and stop in mid-sentence, long before the next filler is due.
            self._look_after(min(left, patience.flush_after))
        elif fillers:
            self._given, self._wait = self._given + 1, self._wait * patience.filler_growth
            self._send(self._fill)
        elif delivery.sent and not delivery.flushed:
            self._send(delivery.flush)
        else:
            self._look_after(patience.flush_after)

    def _look_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    async def _fill(self) -> None:
        own = "\n".join(self.tools.values()).splitlines()
        if filler := self._fillers.pick([line for line in own if line.strip()]):
            self.spoken += 1
            await self._delivery.announce(filler)

    def _send(self, what: Callable[[], Awaitable[None]]) -> None:
        self._sending = asyncio.create_task(self._send_and_go_on(what), name="company")

    async def _send_and_go_on(self, what: Callable[[], Awaitable[None]]) -> None:
        with contextlib.suppress(CallClosed):  # whoever speaks next learns of it
            await what()
            self._look()
