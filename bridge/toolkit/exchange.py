"""One request until its answer has been read, with the redirects in between followed by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bridge.toolkit.addresses import Reach
from bridge.toolkit.answers import LOST, TOO_LARGE, UNREADABLE, Answer, HttpFailed, failure
from bridge.toolkit.targets import redirected, same_origin

MAX_BODY = 1024 * 1024
"""Bytes of an answer."""
MOST_REDIRECTS = 5

_MOVED = frozenset({301, 302, 303, 307, 308})
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one address."""

    method: str
    url: URL
    headers: Mapping[str, str]
    """All that the author sends: none of it is for another origin."""
    body: bytes | None = None

    def moved(self, status: int, location: str) -> "Request":
        """The request that a redirect asks for.

        Raises:
            HttpFailed: it must not be followed.
        """
        there = redirected(self.url, location)
        headers = self.headers if same_origin(self.url, there) else _NO_HEADERS
        as_get = status == 303 or (status in (301, 302) and self.method == "POST")
        if as_get and self.method != "HEAD":
            return Request("GET", there, headers)
        return replace(self, url=there, headers=headers)


class Exchange:
    """One request on its way."""

    def __init__(self, session: aiohttp.ClientSession, reach: Reach) -> None:
        self._session = session
        self._reach = reach
        self.answered = False
        """Whether a server has answered anything, if only that the way leads elsewhere."""

    async def run(self, request: Request) -> Answer:
        """Send it, and read what comes of it.

        Raises:
            HttpFailed: the answer is no good one, or cannot be read.
            AddressRefused: it leads where it must not.
        """
        for _ in range(MOST_REDIRECTS + 1):
            self._reach.check_literal(str(request.url.host))
            async with self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers=_all_headers(request),
                allow_redirects=False,
            ) as response:
                self.answered = True
                location = response.headers.get("Location")
                if response.status not in _MOVED or not location:
                    return await _read(response)
            request = request.moved(response.status, location)
        raise HttpFailed(LOST)


def _all_headers(request: Request) -> CIMultiDict[str]:
    headers = CIMultiDict({} if request.body is None else {"Content-Type": "application/json"})
    headers.update(request.headers)
    # Unpacked, an answer could be a thousand times as large as what was sent.
    headers["Accept-Encoding"] = "identity"
    return headers


async def _read(response: aiohttp.ClientResponse) -> Answer:
    if response.status >= 400:
        raise failure(response.status)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HttpFailed(UNREADABLE)
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            raise HttpFailed(TOO_LARGE)
    return Answer(response.status, response.headers, bytes(body), str(response.url))
