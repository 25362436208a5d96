"""Who may open the console: this machine; or, once there is a token, who has it or its cookie."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bridge.server.access import foreign_origin
from bridge.server.guesses import Guesses
from bridge.server.loopback import Guard, is_from_here
from bridge.server.problems import CannotAnswer

COOKIE: Final = "bridge_console"
LASTS: Final = 12 * 3600
"""Seconds after which one has to log in again."""
_SECOND_THOUGHTS: Final = 0.5
"""Seconds that a wrong token takes; one is looked at after the other."""


class Visitors:
    """Decides who may see the pages, and who may see what they show."""

    def __init__(self, tokens: Sequence[str], guesses: Guesses | None = None) -> None:
        self._guesses = Guesses() if guesses is None else guesses
        self._tokens = [token.encode() for token in tokens]
        self._trying = asyncio.Lock()

    @property
    def need_token(self) -> bool:
        """Whether everybody does."""
        return bool(self._tokens)

    def admit_to_pages(self, request: web.Request) -> None:
        """Let somebody see the pages: they hold nothing, but for a form to log in.

        Raises:
            CannotAnswer: they are elsewhere, and there is no token; or another site asks.
        """
        if foreign_origin(request):
            raise CannotAnswer(HTTPStatus.FORBIDDEN, "pages of other sites may not use the console")
        if not self._tokens and not is_from_here(request):
            raise CannotAnswer(
                HTTPStatus.FORBIDDEN,
                "without a token the console opens only on this machine, directly, by the name of "
                "localhost: set BRIDGE_CONSOLE_TOKEN, and log in with it",
            )

    def admit(self, request: web.Request) -> None:
        """Let somebody see calls, tools and settings, and talk.

        Raises:
            CannotAnswer: they may not.
        """
        self.admit_to_pages(request)
        if self._tokens and not self._is_known(request):
            if "Authorization" in request.headers:  # an old cookie is no guess
                self._guesses.note(request, "console")
            raise CannotAnswer(
                HTTPStatus.UNAUTHORIZED,
                "log in with one of BRIDGE_CONSOLE_TOKEN",
                headers={"WWW-Authenticate": 'Bearer realm="console"'},
            )

    def beside(self, guard: Guard) -> Guard:
        """Let in whom `guard` does, and whoever has logged in."""

        def look(request: web.Request) -> web.Response | None:
            refusal = guard(request)
            if refusal is None or not self._tokens:
                return refusal
            try:
                self.admit(request)
            except CannotAnswer:
                return refusal
            return None

        return look

    async def log_in(self, request: web.Request, offered: str) -> str:
        """Exchange a token for what the cookie holds.

        Raises:
            CannotAnswer: it is none of ours.
        """
        async with self._trying:
            given = offered.strip().encode("utf-8", "surrogateescape")
            if (token := self._same(given)) is not None:
                return _signed(token, int(time.time()) + LASTS)
            self._guesses.note(request, "console")  # or others would wait for all these seconds
            await asyncio.sleep(_SECOND_THOUGHTS)
        raise CannotAnswer(HTTPStatus.UNAUTHORIZED, "this is no token of the console's")

    def _is_known(self, request: web.Request) -> bool:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given = bearer.strip().encode("utf-8", "surrogateescape")
            return self._same(given) is not None
        cookie = request.cookies.get(COOKIE, "")
        until = cookie.partition(".")[0]
        if not (until.isascii() and until.isdecimal() and len(until) < 12):
            return False
        fits = [hmac.compare_digest(cookie.encode(), one) for one in self._cookies(int(until))]
        return any(fits) and int(until) > time.time()

    def _cookies(self, until: int) -> Iterator[bytes]:
        return (_signed(token, until).encode() for token in self._tokens)

    def _same(self, given: bytes) -> bytes | None:
        """Compare with every token, in constant time."""
        fits = [token for token in self._tokens if hmac.compare_digest(given, token)]
        return fits[0] if fits else None


def _signed(token: bytes, until: int) -> str:
    """What a cookie holds: when it ends, and a signature. A token that is removed ends it, too."""
    signature = hmac.new(token, f"console until {until}".encode(), hashlib.sha256)
    return f"{until}.{signature.hexdigest()}"
