"""What is still to be done about calls that are over, on disk until it is done.

Several processes may share the folder: each thing is done by one of them at a time. It may be done
twice: a process may die, or not hear the answer, after it has done it.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from bridge.store.deliveries import file as files
from bridge.store.deliveries.delivery import Delivery, checked, kind_of
from bridge.store.deliveries.queue import Queue

log = structlog.get_logger(__name__)

_BUSY: Final = 5.0
"""Seconds after which what another process is at work on is looked at again."""
_OPENED: Final = 50
"""Files that are opened before the event loop has its turn."""
_STALE: Final = 3600
"""Seconds after which nobody is still writing a draft."""


class Deliveries:
    """A folder of deliveries. Nothing here waits, or raises because of the disk."""

    def __init__(
        self,
        folder: Path,
        *,
        first_pause: float = 1.0,
        longest_pause: float = 600.0,
        patience: float = 86_400.0,
        most: int = 10_000,
    ) -> None:
        self._folder = folder
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._patience = patience
        self._most = most
        self._queue = Queue(2 * longest_pause)
        self._held: dict[str, int | None] = {}  # the locks of those that we are at work on
        self._unkept: dict[str, Delivery] = {}  # states that the disk would not take
        self._unremoved: set[str] = set()  # done, but the disk would not let go of it
        self.waiting: Counter[str] = self._queue.lengths
        """How many there are, as far as we know, by kind."""
        self.given_up: Counter[str] = Counter()
        """How many were tried for too long, too many, or hopeless, by kind."""

    def put(self, kind: str, key: str) -> str:
        """Add a delivery; again is no harm. If the disk is full it waits in memory.

        Returns:
            Its id.

        Raises:
            ValueError: its kind or its key is none.
        """
        now = time.time()
        delivery = checked(Delivery(kind, key, at=now, due=now))
        name = delivery.id
        if name in self._queue:
            return name
        self._unremoved.discard(name)
        try:
            files.create(self._folder, name)
        except FileExistsError:
            pass
        except OSError as error:
            self._remember(delivery, error)
        self._queue.put(name, now)
        self._make_room()
        return name

    def hold(self, kind: str, key: str, payload: Mapping[str, Any]) -> Delivery:
        """Add a delivery that is ours, as one that was `due`: nobody tries it until `put_back`.

        If this process dies another does it. The key must be new.

        Raises:
            ValueError: its kind or its key is none, or the payload no JSON of 64 KiB at most.
        """
        now = time.time()
        delivery = checked(Delivery(kind, key, at=now, due=now, payload=payload))
        try:
            self._held[delivery.id] = files.rewrite_locked(self._folder, delivery)
        except OSError as error:
            self._held[delivery.id] = None
            self._remember(delivery, error)
        self._queue.put(delivery.id, None)
        self._make_room()
        return delivery

    def look(self) -> None:
        """Learn of what other processes have left: at first, and now and then."""
        for name in list(self._unremoved):
            self._remove(name)
        try:
            found = files.listed(self._folder, but=self._queue)
        except OSError as error:
            log.warning("the folder of deliveries cannot be read", reason=error.strerror)
            return
        now = time.time()
        for at, name in found:
            if kind_of(name) and name not in self._unremoved:
                self._queue.put(name, min(at, now))
            elif files.is_draft(name) and now - at > _STALE:
                self._remove(name)
        self._make_room()

    def wait(self, kind: str, now: float) -> float:
        """Seconds until one may be due; infinite if there is none."""
        return self._queue.wait(kind, now)

    # ── at work on one ──

    def due(self, kind: str, now: float) -> Delivery | None:
        """Claim the next one that is to be tried: it is ours until we say what became of it.

        None if there is none; or if many others came first: then `wait` is 0.
        """
        for _ in range(_OPENED):
            if (name := self._queue.next(kind, now)) is None:
                break
            delivery = self._claim(name, now)
            if delivery is not None:
                if self._queue.is_due(delivery.due, now):
                    return delivery
                self.put_back(delivery, delivery.due)
        return None

    def done(self, delivery: Delivery) -> None:
        """It is done, or there is nothing to be done any more."""
        self._forget(delivery.id)
        self._let_go(delivery.id)

    def failed(self, delivery: Delivery, now: float) -> bool:
        """It was tried in vain. Whether it will be tried again."""
        fd = self._held.get(delivery.id)
        if fd is not None and not os.fstat(fd).st_nlink:  # called off
            self.done(delivery)
            return False
        first = now if delivery.first is None else delivery.first
        attempts = delivery.attempts + 1
        again = now - first < self._patience
        if again:
            pause = min(self._longest_pause, self._first_pause * 2.0 ** min(attempts - 1, 60))
            pause *= random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            self._keep(replace(delivery, attempts=attempts, first=first, due=now + pause))
            self._let_go(delivery.id)
        else:
            self._give_up(delivery.id, "tried_for_too_long", attempts=attempts)
        return again

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """It can never be done."""
        self._give_up(delivery.id, reason)

    def put_back(self, delivery: Delivery, due: float) -> None:
        """It was not tried: look at it again then. Nothing happens if it is ours no more."""
        if delivery.id not in self._held:
            return
        if delivery.id in self._unkept:
            self._keep(delivery)
        self._queue.put(delivery.id, due)
        self._let_go(delivery.id)

    # ── ──

    def _remember(self, delivery: Delivery, error: OSError) -> None:
        log.warning("a delivery waits in memory", kind=delivery.kind, reason=error.strerror)
        self._unkept[delivery.id] = delivery

    def _claim(self, name: str, now: float) -> Delivery | None:
        """Lock it. If that cannot be done it is forgotten or put off."""
        fd, delivery = None, self._unkept.get(name)
        if name in self._held:
            return None
        try:
            fd = files.lock(self._folder / name)
            delivery = delivery or files.read(fd, name)
        except FileNotFoundError:
            if delivery is None:  # another has done it
                self._drop(name)
                return None
        except OSError:  # another is at work on it; or the disk is ill
            self._close(fd)
            self._queue.put(name, now + _BUSY)
            return None
        self._held[name] = fd
        return delivery

    def _make_room(self) -> None:
        """Give up the oldest if there are too many."""
        now = time.time()
        for name in self._queue.oldest(len(self._queue) - self._most):
            if self._claim(name, now) is not None:
                self._give_up(name, "too_many")

    def _give_up(self, name: str, reason: str, **told: object) -> None:
        self.given_up[kind_of(name) or ""] += 1
        log.error("delivery given up", delivery=name, reason=reason, **told)
        self._forget(name)
        self._let_go(name)

    def _forget(self, name: str) -> None:
        self._drop(name)
        self._remove(name)

    def _drop(self, name: str) -> None:
        self._queue.drop(name)
        self._unkept.pop(name, None)

    def _remove(self, name: str) -> None:
        self._unremoved.discard(name)
        try:
            os.unlink(self._folder / name)  # noqa: PTH108 - as in `delivery`
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("a delivery cannot be removed", delivery=name, reason=error.strerror)
            self._unremoved.add(name)

    def _keep(self, delivery: Delivery) -> None:
        try:
            files.rewrite(self._folder, delivery)
        except OSError:
            self._unkept[delivery.id] = delivery
        else:
            self._unkept.pop(delivery.id, None)
        self._queue.put(delivery.id, delivery.due)

    def _let_go(self, name: str) -> None:
        """Unlock it: last of all, so that nobody claims what is about to change."""
        self._close(self._held.pop(name, None))

    @staticmethod
    def _close(fd: int | None) -> None:
        if fd is not None:
            os.close(fd)
