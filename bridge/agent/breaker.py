"""A circuit breaker: stop asking a model that keeps failing, and notice when it is well again."""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row; after `pause` seconds one attempt is let through.

    While it is open, callers hear the next model or the apology at once instead of waiting out a
    time-out each.
    """

    def __init__(
        self,
        failures: int = 5,
        pause: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause = pause
        self._clock = clock
        self._failed = 0
        self._try_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the model is left alone, but for a probe now and then."""
        return self._failed >= self._limit

    def admits(self) -> bool:
        """Whether to try now. When the pause is over, the first who asks is the probe."""
        if not self.open:
            return True
        if self._clock() < self._try_at:
            return False
        # The others wait another pause for the probe's outcome, which also covers a lost probe.
        self._try_at = self._clock() + self._pause
        return True

    def succeeded(self) -> None:
        """The model answered."""
        self._failed = 0

    def failed(self) -> None:
        """The model did not answer."""
        self._failed += 1
        self._try_at = self._clock() + self._pause
