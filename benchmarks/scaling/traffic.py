"""Calls that come and go: days of a call centre, second by second."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling.erlang import Hold

HOUR = 3600
DAY = 24 * HOUR
PROFILE = (
    2, 1, 1, 1, 1, 2, 6, 20, 55, 85, 100, 98, 80, 78, 88, 92, 86, 72, 50, 32, 20, 12, 7, 4,
)  # fmt: skip
"""Calls that begin in each hour of a day, beside those of the busiest."""

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Day:
    """What was live, and what began, in each second of a day."""

    live: NDArray[np.int64]
    begun: NDArray[np.int64]
    held: float
    """Seconds that all its calls lasted, in all."""

    @property
    def calls(self) -> int:
        """How many began."""
        return int(self.begun.sum())

    @property
    def busiest(self) -> NDArray[np.int64]:
        """Those live in each second of the busiest hour, from a quarter past its beginning."""
        hour = PROFILE.index(max(PROFILE)) * HOUR
        return self.live[hour + HOUR // 4 : hour + HOUR]


def day(
    calls: float, hold: Hold, chance: np.random.Generator, profile: tuple[float, ...] = PROFILE
) -> Day:
    """One day of many that are alike, with about so many calls live in its busiest hour.

    Arrivals are Poisson's, at a rate that changes on the hour; a call that is live at midnight is
    counted in the morning of the same day, as those of the day before would be.
    """
    begun = np.zeros(DAY, dtype=np.int64)
    change = np.zeros(DAY + 1, dtype=np.int64)
    held, busiest = 0.0, max(profile)
    for hour, weight in enumerate(profile):
        number = chance.poisson(calls / hold.mean * HOUR * weight / busiest)
        at = hour * HOUR + chance.random(number) * HOUR
        lasts = chance.lognormal(hold.mu, hold.sigma, number)
        held += float(lasts.sum())
        first = at.astype(np.int64)
        last = (at + lasts).astype(np.int64)
        begun += np.bincount(first, minlength=DAY)
        nights, last = np.divmod(last, DAY)
        change[0] += nights.sum()  # it is live at midnight, once for each
        change[:DAY] += np.bincount(first, minlength=DAY) - np.bincount(last, minlength=DAY)
    return Day(np.cumsum(change[:DAY]), begun, held)


def refused(
    load: float, lines: int, hold: Hold, chance: np.random.Generator, calls: int = 100_000
) -> float:
    """The share of calls that found no free line, as played; the first tenth is not counted."""
    at = np.cumsum(chance.exponential(hold.mean / load, calls))
    lasts = chance.lognormal(hold.mu, hold.sigma, calls)
    busy: list[float] = []
    lost = 0
    for number, (now, seconds) in enumerate(zip(at.tolist(), lasts.tolist(), strict=True)):
        while busy and busy[0] <= now:
            heapq.heappop(busy)
        if len(busy) < lines:
            heapq.heappush(busy, now + seconds)
        elif number >= calls // 10:
            lost += 1
    return lost / (calls - calls // 10)


def outlasting(
    seconds: float, hold: Hold, chance: np.random.Generator, calls: int = 200_000
) -> float:
    """The share of calls live at some moment that go on for longer than this, as played."""
    span = 200 * hold.mean
    at = chance.random(calls) * span
    ends = at + chance.lognormal(hold.mu, hold.sigma, calls)
    moment = span * 0.9
    live = (at <= moment) & (ends > moment)
    return float((ends[live] > moment + seconds).mean())
