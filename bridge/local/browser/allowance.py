"""How much somebody may send."""

import asyncio
from dataclasses import dataclass


class Taken:
    """What is left of one's allowance."""

    def __init__(self, allowance: "Allowance") -> None:
        self._allowance = allowance
        self._left = allowance.burst
        self._now = asyncio.get_running_loop().time
        self._at = self._now()

    def take(self, amount: float) -> bool:
        """Use some of it; False if there is not so much."""
        now = self._now()
        grown = self._left + (now - self._at) * self._allowance.rate
        self._left, self._at = min(self._allowance.burst, grown) - amount, now
        return self._left >= 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """So much at once, and so much a second."""

    rate: float
    burst: float

    def begin(self) -> Taken:
        """Begin with all of it."""
        return Taken(self)
