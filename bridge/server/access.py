"""Who may dial in, and to which persona: tokens from a URL or a Bearer header; browser origins."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets that open the door, and the personas behind it."""

    tokens: Sequence[str] = ()
    """Everybody's; none leaves the door open, but for the personas that have tokens."""
    personas: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    """By name, those with a token of their own and those without."""

    @property
    def are_none(self) -> bool:
        """Whether everybody who reaches the door may enter."""
        return not self.tokens

    def admit(self, request: web.Request) -> str | None:
        """Find the persona that a request is for; empty: by its agent; None: it may not come in.

        `/millis/NAME` and `/millis/NAME/TOKEN` lead to a persona, and so does a token of its own,
        which is the only way to it.
        """
        first, second = (request.match_info.get(part, "") for part in ("first", "second"))
        named = first if second or first in self.personas else ""
        if named and named not in self.personas:
            return None
        in_path = second or ("" if named else first)
        offered = in_path or _offered(request)
        owner = next((name for name, own in self.personas.items() if _fits(offered, own)), None)
        if owner is not None:
            return owner if named in ("", owner) else None
        if self.personas.get(named):
            return None  # it has a token, and this is another
        return named if self._fits_everybody(offered, in_path) else None

    def may_enter(self, request: web.Request) -> bool:
        """Whether a request that is for no persona comes with everybody's token."""
        return self._fits_everybody(_offered(request), "")

    def _fits_everybody(self, offered: str, in_path: str) -> bool:
        """Compare with every valid token. Without tokens, only a bare path enters."""
        return _fits(offered, self.tokens) if self.tokens else not in_path


def _offered(request: web.Request) -> str:
    """The secret in a request's header or query; empty for none."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    return request.query.get("token", "")


def _fits(offered: str, tokens: Sequence[str]) -> bool:
    """Compare with each, in constant time."""
    secret = offered.encode("utf-8", "surrogateescape")  # as it came in a header
    fits = [hmac.compare_digest(secret, token.encode()) for token in tokens]  # compare with all
    return any(fits)


def foreign_origin(request: web.Request) -> bool:
    """Whether another site's page dials from a browser. Millis sends no Origin, or our own host."""
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != request.host
    except ValueError:  # half an IPv6 address
        return True
