"""What is done now and then."""

import time


class Chore:
    """Something that is done at once, and then at intervals."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next = 0.0

    @property
    def wait(self) -> float:
        """Seconds until it is to be done; 0 if it is due."""
        return max(0.0, self._next - time.monotonic())

    def done(self) -> None:
        """It is done for now."""
        self._next = time.monotonic() + self._every
