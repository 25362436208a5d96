"""No dead air: a filler while the caller waits, a flush where the model stops in mid-sentence."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.call.delivery import Delivery, now


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


async def keep_company(delivery: Delivery, patience: Patience, pick: Callable[[], str]) -> None:
    """Speak fillers until the model speaks, then flush what it leaves unfinished; until cancelled.

    Once the model has said something there are no fillers any more, also while its tools run. What
    was held until Millis asked is sent first.

    Raises:
        CallClosed: nobody is there any more.
    """
    await delivery.pass_on()
    wait, given = patience.filler_after, 0
    while True:
        fillers = not delivery.sent and wait > 0 and given < patience.most_fillers
        pause = wait if fillers else patience.flush_after
        left = delivery.last_at + pause - now()
        if left > 0:
            # No longer: it may speak, and stop in mid-sentence, long before the next filler is due.
            await asyncio.sleep(min(left, patience.flush_after))
        elif fillers:
            if filler := pick():
                await delivery.announce(filler)
            given, wait = given + 1, wait * patience.filler_growth
        else:
            if delivery.sent:
                await delivery.flush()
            await asyncio.sleep(pause)
