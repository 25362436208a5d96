"""What is known of lines without playing them: Erlang's formula, and how long calls still last."""

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


def erlang_b(load: float, lines: int) -> float:
    """The share of calls that find no free line.

    `load` is how many lines would be busy if there were no end of them: calls begun a second, times
    the seconds that a call lasts. How hold times are distributed makes no difference.
    """
    refused = 1.0
    for line in range(1, lines + 1):
        refused = load * refused / (line + load * refused)
    return refused


def lines_for(load: float, most: float) -> int:
    """The fewest lines with which not more than this share is refused."""
    refused, line = 1.0, 0
    while refused > most:
        line += 1
        refused = load * refused / (line + load * refused)
    return line


@dataclass(frozen=True, slots=True)
class Hold:
    """How long calls last: log-normal, as call centres find it."""

    mean: float
    """Seconds."""
    sigma: float
    """Of the logarithm; 1 means a deviation of 1.3 times the mean."""

    @property
    def mu(self) -> float:
        """The mean of the logarithm."""
        return math.log(self.mean) - self.sigma**2 / 2

    def longer(self, seconds: float) -> float:
        """The share of all calls that last longer."""
        return 1 - _NORMAL.cdf(self._z(seconds))

    def left(self, seconds: float) -> float:
        """The share of the calls that are live at some moment and go on for longer than this.

        Long calls are more often among them, and are found in their middle: the integral of
        `longer` from there on, over the mean.
        """
        if seconds <= 0:
            return 1.0
        z = self._z(seconds)
        beyond = self.mean * _NORMAL.cdf(self.sigma - z) - seconds * _NORMAL.cdf(-z)
        return beyond / self.mean

    def until(self, share: float) -> float:
        """Seconds after which not more than this share of the live calls still goes on."""
        low, high = 0.0, self.mean
        while self.left(high) > share:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.left(middle) > share else (low, middle)
        return high

    def _z(self, seconds: float) -> float:
        return (math.log(seconds) - self.mu) / self.sigma
