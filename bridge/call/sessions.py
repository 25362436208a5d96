"""Which calls are live, and what is kept of one whose socket dropped: Millis may dial again."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from bridge.call.ledger import Ledger

if TYPE_CHECKING:
    from bridge.call.call import Call

_MOST = 1000
"""Ledgers kept of calls that are over; the oldest go first."""


class Sessions:
    """The calls of one process by session id; the newest socket of a session wins."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        """Seconds that the ledger of a dropped socket is kept."""
        self._live: dict[str, Call] = {}
        self._dropped: OrderedDict[str, tuple[float, Ledger]] = OrderedDict()

    def claim(self, call: Call, session_id: str) -> Ledger | None:
        """Take a session over; the ledger it has, if it was under way."""
        if not session_id:
            return None
        before = self._live.get(session_id)
        self._live[session_id] = call
        if before is not None and before is not call:
            before.give_way()
            return before.ledger
        self._expire()
        dropped = self._dropped.pop(session_id, None)
        return dropped[1] if dropped else None

    def release(self, call: Call, session_id: str) -> None:
        """A call's socket is gone. Keep its ledger for a while, unless another took it over."""
        if session_id and self._live.get(session_id) is call:
            del self._live[session_id]
            self._expire()
            self._dropped[session_id] = (time.monotonic() + self._keep, call.ledger)
            while len(self._dropped) > _MOST:
                self._dropped.popitem(last=False)

    def _expire(self) -> None:
        now = time.monotonic()
        while self._dropped and next(iter(self._dropped.values()))[0] <= now:
            self._dropped.popitem(last=False)
