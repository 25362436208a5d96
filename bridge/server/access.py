"""Who may dial in: tokens from a URL's path, its query or a Bearer header; browser origins."""

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web


def offered_token(request: web.Request) -> str:
    """The secret that came with a request; empty for none."""
    if in_path := request.match_info.get("token"):
        return in_path
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    return request.query.get("token", "")


def may_enter(request: web.Request, tokens: Sequence[str]) -> bool:
    """Compare with every valid token, in constant time. Without tokens, only a bare path enters."""
    offered = offered_token(request).encode("utf-8", "surrogateescape")  # as it came in a header
    if not tokens:
        return "token" not in request.match_info
    fits = [hmac.compare_digest(offered, token.encode()) for token in tokens]  # compare with all
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
