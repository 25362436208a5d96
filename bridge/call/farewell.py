"""Ending or transferring a call: once the goodbye was heard, unless the caller speaks first."""

import asyncio
import contextlib

from bridge.call.ledger import Entry
from bridge.call.notes import BROKEN_OFF, WITHDRAWN
from bridge.call.ports import Action, Line
from bridge.errors import CallClosed
from bridge.protocol import EndCall, EndCallData, TransferCall, TransferCallData

ACTIONS = ("end_call", "transfer_call")

_CHARS_PER_SECOND = 12.0


def playing_time(text: str) -> float:
    """Seconds that a text takes to be spoken, by a slow voice."""
    return len(text) / _CHARS_PER_SECOND


class Farewells:
    """What a call waits to do to its line, until the caller has heard the last words."""

    def __init__(self, line: Line, late: float) -> None:
        self._line = line
        self._late = late
        """Seconds that the end of the last words may be reported late."""
        self._all: list[Farewell] = []

    @property
    def pending(self) -> bool:
        """Whether something waits to be done."""
        return not all(farewell.done for farewell in self._all)

    @property
    def acted(self) -> Action | None:
        """What was done to the line, if anything was."""
        return next((each.action for each in self._all if each.acted), None)

    def bid(self, stream_id: int | str, entry: Entry, action: Action, last_words: str) -> None:
        """Do it after these words of a turn."""
        limit = playing_time(last_words) + self._late
        farewell = Farewell(self._line, stream_id, entry, action, limit)
        self._all = [*(each for each in self._all if not each.done), farewell]

    def heard(self, entry: Entry) -> bool:
        """The last words of a turn were played to their end. Whether anything came of that."""
        own = [farewell for farewell in self._all if farewell.entry is entry]
        for farewell in own:
            farewell.heard()
        return bool(own)

    def withdraw(self, newest: Entry | None) -> None:
        """The caller speaks: what was not done will not be, the newest turn's wishes included."""
        for farewell in self._all:
            farewell.withdraw()
        done = {farewell.entry for farewell in self._all if farewell.acted}
        if newest is not None and newest not in done:
            withdrawn(newest)

    async def stopped(self) -> None:
        """Wait until all are over."""
        for farewell in self._all:
            await farewell.stopped()


class Farewell:
    """An action that waits until the caller has heard the last words."""

    def __init__(
        self, line: Line, stream_id: int | str, entry: Entry, action: Action, limit: float
    ) -> None:
        self.entry = entry
        self.action = action
        self.acted = False
        """Whether it was done: then it cannot be withdrawn any more."""
        self._heard = asyncio.Event()
        if entry.played:
            self._heard.set()
        self._acting = asyncio.create_task(
            self._act(line, stream_id, action, limit), name=action.kind
        )

    @property
    def done(self) -> bool:
        """Whether it is over, one way or another."""
        return self._acting.done()

    def heard(self) -> None:
        """The last words were played to their end."""
        self._heard.set()

    def withdraw(self) -> None:
        """The caller spoke first: do nothing."""
        if not self.acted:
            self._acting.cancel()

    async def stopped(self) -> None:
        """Wait until it is over."""
        self._acting.cancel()
        await asyncio.wait({self._acting})

    async def _act(self, line: Line, stream_id: int | str, action: Action, limit: float) -> None:
        # That Millis reports the end of playback is documented, not promised.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._heard.wait()
        self.acted = True  # on the wire before the send waits
        with contextlib.suppress(CallClosed):
            await line.send(_message(stream_id, action))


def _message(stream_id: int | str, action: Action) -> EndCall | TransferCall:
    if action.kind == "end_call":
        return EndCall(data=EndCallData(stream_id=stream_id))
    data = TransferCallData(stream_id=stream_id, destination=action.destination)
    return TransferCall(data=data)


def withdrawn(entry: Entry, why: str = WITHDRAWN) -> None:
    """Note in the ledger that what a turn wanted done to the line was not done."""
    for use in entry.uses:
        if use.name in ACTIONS and use.outcome == "ok" and use.result != BROKEN_OFF:
            use.result = why
