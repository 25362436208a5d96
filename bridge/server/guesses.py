"""Who sends wrong tokens, how often: counted by address, logged, and told to stop.

The right token is let in however many wrong ones came before it. All of Millis's customers dial
from its addresses, and everybody's calls come from the address of a proxy: to shut one out for what
it sent before would let a stranger shut out the calls. What makes guessing hopeless is the length
of a token.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

MANY: Final = 30
"""Wrong tokens from one address in a minute that are answered as the first."""
WINDOW: Final = 60.0
"""Seconds after which an address begins anew."""
MOST: Final = 1024
"""Addresses that are remembered; beyond them the one that began first is forgotten."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Tries:
    began: float
    count: int = 0


class Guesses:
    """The wrong tokens of the last minute."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._by_address)

    def answer(self, request: web.Request) -> web.Response:
        """Count a wrong token, and refuse it with no word on what was wrong with it."""
        # Whom the connection is with: what a header says of others, anybody can write.
        if self.are_too_many(request.remote or "", time.monotonic()):
            headers = {"Retry-After": str(int(WINDOW))}
            return web.Response(status=429, text="too many wrong tokens\n", headers=headers)
        return web.Response(status=401, text="unauthorized\n")

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
