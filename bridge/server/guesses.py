"""Who sends wrong tokens, how often: counted by address, logged, and told to stop.

The right token is let in however many wrong ones came before it. All of Millis's customers dial
from its addresses, and everybody's calls come from the address of a proxy: to shut one out for what
it sent before would let a stranger shut out the calls. What makes guessing hopeless is the length
of a token.
"""

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

import structlog
from aiohttp import web

from bridge.server.problems import CannotAnswer

MANY: Final = 30
"""Wrong tokens from one address in a minute that are answered as the first."""
WINDOW: Final = 60.0
"""Seconds after which an address begins anew."""
MOST: Final = 1024
"""Addresses that are remembered; beyond them the one that began first is forgotten."""

Door = Literal["call", "watch", "api", "console"]
"""What a token was to open; the metrics are read with those of the API."""

_log = structlog.get_logger(__name__)


_TOO_MANY: Final = "too many wrong tokens"
_LATER: Final = {"Retry-After": str(int(WINDOW))}


@dataclass(slots=True)
class _Tries:
    began: float
    count: int = 0


class Guesses:
    """The wrong tokens of the last minute."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        """Wrong tokens since the start, by door."""
        self._by_address: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._by_address)

    def answer(self, request: web.Request, door: Door) -> web.Response:
        """Count a wrong token, and refuse it with no word on what was wrong with it."""
        if self._counted(request, door):
            return web.Response(status=429, text=f"{_TOO_MANY}\n", headers=_LATER)
        return web.Response(status=401, text="unauthorized\n")

    def note(self, request: web.Request, door: Door) -> None:
        """Count a wrong token where refusing it takes more words.

        Raises:
            CannotAnswer: it is one of too many.
        """
        if self._counted(request, door):
            raise CannotAnswer(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY, headers=_LATER)

    def _counted(self, request: web.Request, door: Door) -> bool:
        self.refused[door] += 1
        # Whom the connection is with: what a header says of others, anybody can write.
        return self.are_too_many(request.remote or "", time.monotonic())

    def are_too_many(self, address: str, now: float) -> bool:
        """Count one more from an address, at `now` seconds; whether it should have stopped."""
        tries = self._by_address.get(address)
        if tries is None or now - tries.began > WINDOW:
            self._by_address.pop(address, None)
            if len(self._by_address) >= MOST:
                self._by_address.popitem(last=False)
            tries = self._by_address[address] = _Tries(now)
        tries.count += 1
        if tries.count == MANY + 1:
            _log.warning("many wrong tokens", address=address)
        return tries.count > MANY


GUESSES: web.AppKey[Guesses] = web.AppKey("guesses", Guesses)
