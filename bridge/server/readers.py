"""Who may read the record over HTTP: who has a token of its own, or else only this machine."""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web

from bridge.server.access import foreign_origin
from bridge.server.problems import CannotAnswer

_LOOPBACK: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PASSED_ON: Final = frozenset(
    {"forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via"}
)
"""Headers of proxies and tunnels, beside those that begin with `x-forwarded-`."""


class Readers:
    """Decides who may read."""

    def __init__(self, tokens: Sequence[str]) -> None:
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
            raise CannotAnswer(HTTPStatus.FORBIDDEN, "pages of other sites may not read the record")
        if self._tokens:
            if not self._has_token(request):
                raise CannotAnswer(
                    HTTPStatus.UNAUTHORIZED,
                    "send one of BRIDGE_API_TOKEN as `Authorization: Bearer TOKEN`",
                    headers={"WWW-Authenticate": 'Bearer realm="calls"'},
                )
        elif not _is_from_here(request):
            raise CannotAnswer(
                HTTPStatus.FORBIDDEN,
                "without a token the record is read only from this machine, directly, by the name "
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


def _is_from_here(request: web.Request) -> bool:
    """Whether a program on this machine asks us directly.

    A proxy or a tunnel on this machine asks from here, too, for the whole world; and a page that
    has its name resolved to 127.0.0.1 has the visitor's browser ask.
    """
    hosts = request.headers.getall("Host", [])
    return (
        len(hosts) == 1
        and _LOOPBACK.fullmatch(hosts[0]) is not None
        and _is_loopback(request)
        and request.version >= HttpVersion11  # older is a proxy: nginx, as it is by default
        and not any(map(_is_of_proxies, request.headers))
    )


def _is_loopback(request: web.Request) -> bool:
    peer = request.transport and request.transport.get_extra_info("peername")
    try:
        return isinstance(peer, tuple) and ipaddress.ip_address(peer[0]).is_loopback
    except ValueError:  # with a scope: an address of a network
        return False


def _is_of_proxies(header: str) -> bool:
    name = header.lower()
    return name in _PASSED_ON or name.startswith("x-forwarded-")
