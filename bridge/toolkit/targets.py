"""Where a request goes: a URL put together from fixed parts and from values that may be hostile."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from yarl import URL

from bridge.toolkit.answers import LOST, NOT_ALLOWED, UNFIT, HttpFailed

SCHEMES = ("http", "https")
_NO_URL = (ValueError, IndexError)
"""What yarl raises; IndexError of `http://[a]@/` (seen in 1.25)."""
_NAME = re.compile(r"\{([A-Za-z_][\w.-]*)\}")


def filled(template: str, values: Mapping[str, object]) -> str:
    """Put values in for `{name}`, each inside its part of the path or the query.

    Raises:
        HttpFailed: a value would be another path: it is empty, `.` or `..`.
    """

    def part(found: re.Match[str]) -> str:
        text = "" if (value := values.get(found[1])) is None else str(value)
        in_path = "?" not in template[: found.start()]
        if in_path and text.strip() in ("", ".", ".."):
            raise HttpFailed(UNFIT)
        return quote(text, safe="", errors="replace")

    return _NAME.sub(part, template)


def joined(base: str, path: str) -> URL:
    """The URL that is asked; below `base`, if there is one.

    Raises:
        HttpFailed: it is none, or leads out of `base`.
    """
    if base and not path.startswith("/"):
        raise HttpFailed(NOT_ALLOWED)
    return _url(base.rstrip("/") + path if base else path)


def redirected(url: URL, location: str) -> URL:
    """Where a redirect leads.

    Raises:
        HttpFailed: it must not be followed.
    """
    try:
        there = url.join(URL(location))
    except _NO_URL:
        raise HttpFailed(LOST) from None
    if url.scheme == "https" and there.scheme == "http":
        raise HttpFailed(NOT_ALLOWED)  # what was private on the way would not be any more
    return _url(str(there.with_user(None) if there.host else there))


def same_origin(one: URL, other: URL) -> bool:
    """Whether what is secret between us and the one may be told the other."""
    return one.origin() == other.origin()


def _url(text: str) -> URL:
    try:
        url = URL(text)
    except _NO_URL:
        raise HttpFailed(NOT_ALLOWED) from None
    if url.scheme not in SCHEMES or not url.host:
        raise HttpFailed(NOT_ALLOWED)
    return url
