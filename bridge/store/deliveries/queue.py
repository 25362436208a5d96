"""Which deliveries are known, and when each may be due."""

import heapq
import math
from collections import Counter, defaultdict
from itertools import islice
from typing import Final

from bridge.store.deliveries.delivery import kind_of

_CLOCK_SET_BACK: Final = 60.0
"""Seconds beyond the farthest: who is to be tried later than that met a clock set back."""


class Queue:
    """Ids of deliveries, in the order of their times. One that is held has no time."""

    def __init__(self, farthest: float) -> None:
        self._farthest = farthest + _CLOCK_SET_BACK
        """Seconds from now that anything is ever put off."""
        self._known: dict[str, float | None] = {}  # the oldest first
        self._heaps: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)  # by kind
        self.lengths: Counter[str] = Counter()
        """How many there are, by kind."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def oldest(self, number: int) -> list[str]:
        """The first that were put in."""
        return list(islice(self._known, max(0, number)))

    def put(self, name: str, due: float | None) -> None:
        """Put it in, or give it another time; None holds it back."""
        kind = kind_of(name) or ""
        if name not in self._known:
            self.lengths[kind] += 1
        self._known[name] = due
        if due is not None:
            heapq.heappush(self._heaps[kind], (due, name))

    def drop(self, name: str) -> None:
        """Take it out, if it is there."""
        if name in self._known:
            del self._known[name]
            self.lengths[kind_of(name) or ""] -= 1

    def wait(self, kind: str, now: float) -> float:
        """Seconds until one may be due; infinite if there is none."""
        heap = self._heaps[kind]
        return max(0.0, heap[0][0] - now) if heap else math.inf

    def next(self, kind: str, now: float) -> str | None:
        """One that is due: it is held back now."""
        heap = self._heaps[kind]
        while heap and self.is_due(heap[0][0], now):
            due, name = heapq.heappop(heap)
            if self._known.get(name) == due:  # else it was put off, or is done
                self._known[name] = None
                return name
        return None

    def is_due(self, due: float, now: float) -> bool:
        """Whether that time has come, or was never meant."""
        return due <= now or due - now > self._farthest
