"""Ten thousand interrupts, at random moments of answers that come fast, less fast, slowly."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from callers import Caller, Turn
from scenes import Failed, Times, dial, hang_up
from servers import Server
from talker import Model

EACH = 10_000 // 3 + 1
"""Interrupts of each kind of answer."""
GAPS = (1, 5, 20)
"""Milliseconds between two tokens."""
FIRST_MS = 10.0
TOKENS = 20
"""An interrupt comes at most so many into the answer, and before it began as well as not."""
LONG = 2.0
"""Seconds that an answer would take."""
CALLS = 40
"""At once."""
PATIENCE = 1.0
"""Seconds after an interrupt in which the model's request must be closed."""


@dataclass(slots=True)
class Account:
    """What became of the interrupts."""

    made: int = 0
    late: int = 0
    """Frames of an interrupted stream, after the bridge had read the interrupt."""
    ended: int = 0
    """Answers that were over before they could be interrupted: these prove nothing."""
    unclosed: int = 0
    """Requests that the model went on with."""
    unanswered: int = 0
    """Next turns that were not answered, or not with the whole answer."""
    silent: list[float] = field(default_factory=list)
    """Seconds from each interrupt until the bridge had certainly read it."""
    closed: list[float] = field(default_factory=list)
    """Seconds from each interrupt until the model's request was closed."""

    @property
    def lost(self) -> int:
        """Interrupts that did not do what they are for."""
        return self.late + self.unclosed + self.unanswered


async def interrupts(server: Server, model: Model, each: int = EACH) -> Times:
    """Interrupt, see that all is silent and closed, and ask on.

    Raises:
        Failed: an answer was over before it was interrupted.
    """
    account = Account()
    callers = await dial(server, CALLS)
    for gap in GAPS:
        words = [f"w{number} " for number in range(int(LONG * 1000 / gap))]
        model.answer(first_ms=FIRST_MS, gap_ms=gap, words=words)
        left = iter(range(each))
        talks = (_talk(caller, gap, left, account) for caller in callers)
        turns = [turn for talk in await asyncio.gather(*talks) for turn in talk]
        await asyncio.sleep(PATIENCE)
        _settle(turns, model.times(), account)
    account.late += sum(caller.strays for caller in callers)
    hang_up(callers)
    if account.ended:
        raise Failed(f"{account.ended} answers were over before they were interrupted")
    return {
        "made": [float(account.made)],
        "lost": [float(account.lost)],
        "late_frames": [float(account.late)],
        "not_closed": [float(account.unclosed)],
        "next_not_answered": [float(account.unanswered)],
        "read": _tenths(account.silent),
        "closed": _tenths(account.closed),
    }


async def _talk(caller: Caller, gap: int, left: Iterator[int], account: Account) -> list[Turn]:
    chance, turns = random.Random(id(caller)), []  # noqa: S311 - moments, no secrets
    for number in left:
        turn = caller.begin(f"Turn {number} with {gap}.", [])
        await asyncio.sleep(chance.uniform(0, FIRST_MS + TOKENS * gap) / 1000)
        caller.interrupt()
        await caller.fence()
        account.made += 1
        account.ended += bool(turn.ended)
        account.silent.append(turn.fenced - turn.interrupted)
        turns.append(turn)
        try:
            answer = await caller.ask(f"And turn {number} with {gap}, briefly.", [])
        except TimeoutError:
            account.unanswered += 1
        else:
            account.unanswered += "".join(answer.said) != "w0 "
    return turns


def _settle(
    turns: Sequence[Turn], noted: dict[str, list[dict[str, float]]], account: Account
) -> None:
    """See what the model says of the interrupted ones."""
    for turn in turns:
        for request in noted.get(turn.words, []):  # none: the model was not asked any more
            closed = request.get("left", turn.interrupted + 2 * LONG) - turn.interrupted
            account.unclosed += closed > PATIENCE
            account.closed.append(closed)


def _tenths(seconds: list[float]) -> list[float]:
    """The median, the 99th percentile, and the most."""
    some = sorted(seconds)
    return [some[int(len(some) * share)] for share in (0.5, 0.99)] + some[-1:]
