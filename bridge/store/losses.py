"""What is missing from the record, and why: counted, and told in the log."""

import time
from collections import Counter
from typing import Final, Literal

import structlog

log = structlog.get_logger(__name__)

Loss = Literal[
    "spool_full",  # the database was away for too long
    "disk",  # the disk took nothing, and memory was full
    "torn",  # a line that cannot be read: the process died while it wrote it, or the disk is bad
    "refused",  # the database would not take it, ever
    "unencodable",  # not plain enough for JSON: a fault of ours
    "closed",  # it came after the record was closed: a fault of ours
]

_QUIET: Final = 5.0
"""Seconds between two log lines on the same kind of loss: a full disk would flood the log."""


class Losses:
    """Counts the notes that are lost, by reason."""

    def __init__(self) -> None:
        self.counts: Counter[Loss] = Counter()
        self._told: Counter[Loss] = Counter()
        self._told_at: dict[Loss, float] = {}

    def add(self, reason: Loss, notes: int = 1) -> None:
        """Count notes as lost. They are told in the log, several at once if they are many."""
        if notes:
            self.counts[reason] += notes
            self.tell()

    def tell(self, *, everything: bool = False) -> None:
        """Log what has not been told yet."""
        now = time.monotonic()
        for reason, total in self.counts.items():
            untold = total - self._told[reason]
            if untold and (everything or now - self._told_at.get(reason, -_QUIET) >= _QUIET):
                self._told[reason] = total
                self._told_at[reason] = now
                log.error("notes of the record are lost", reason=reason, notes=untold, total=total)
