"""Who may read the record and the metrics: who has a token, or else only this machine."""

import hmac
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from bridge.server.access import foreign_origin
from bridge.server.guesses import Guesses
from bridge.server.loopback import is_from_here
from bridge.server.problems import CannotAnswer


class Readers:
    """Decides who may read."""

    def __init__(self, tokens: Sequence[str], guesses: Guesses | None = None) -> None:
        self._guesses = Guesses() if guesses is None else guesses
        self._tokens = [token.encode() for token in tokens]

    @property
    def need_token(self) -> bool:
        """Whether everybody does."""
        return bool(self._tokens)

    def admit(self, request: web.Request) -> None:
        """Let somebody in.

        Raises:
            CannotAnswer: they may not read.
        """
        if foreign_origin(request):
            raise CannotAnswer(HTTPStatus.FORBIDDEN, "pages of other sites may not read this")
        if self._tokens:
            if not self._has_token(request):
                if "Authorization" in request.headers:  # who sends none has not guessed
                    self._guesses.note(request, "api")
                raise CannotAnswer(
                    HTTPStatus.UNAUTHORIZED,
                    "send one of BRIDGE_API_TOKEN as `Authorization: Bearer TOKEN`",
                    headers={"WWW-Authenticate": 'Bearer realm="calls"'},
                )
        elif not is_from_here(request):
            raise CannotAnswer(
                HTTPStatus.FORBIDDEN,
                "without a token this is read only from this machine, directly, by the name "
                "of localhost: set BRIDGE_API_TOKEN, and send it as `Authorization: Bearer TOKEN`",
            )

    def _has_token(self, request: web.Request) -> bool:
        """Compare with every token, in constant time. What is in a URL shows in logs: no token."""
        scheme, _, offered = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        given = offered.strip().encode("utf-8", "surrogateescape")
        fits = [hmac.compare_digest(given, token) for token in self._tokens]
        return any(fits)
