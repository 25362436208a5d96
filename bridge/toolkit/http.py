"""An HTTP client for tools: bounded in time and size, and unable to reach what it should not."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

import aiohttp
import orjson
import structlog
from aiohttp.abc import AbstractResolver
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from bridge.toolkit import answers
from bridge.toolkit.addresses import AddressRefused, CheckedResolver, Reach
from bridge.toolkit.answers import Answer, HttpFailed
from bridge.toolkit.exchange import Exchange, Request
from bridge.toolkit.targets import filled, joined

_log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT = 3.0
_KEEP_ALIVE = 4.0
"""Seconds: less than servers keep a connection, so that no POST is lost on one just closed."""
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that do the same when they are done twice (RFC 9110, 9.2.2)."""
_PASSING = frozenset({429, 502, 503, 504})
"""Statuses that may be gone a moment later."""
_PAUSE = wait_random_exponential(multiplier=0.1, max=1.0)
_USER_AGENT = "millis-bridge"

_NOTHING: Mapping[str, Any] = {}

Sessions = AsyncGenerator[aiohttp.ClientSession, None]


class HttpClient:
    """Asks HTTP services for a tool; make one at the top of a tool file.

    Its connections belong to the event loop: they are closed when the loop ends, or when the client
    is forgotten because its file was changed.
    """

    def __init__(
        self,
        base: str = "",
        *,
        headers: Mapping[str, str] = _NOTHING,
        timeout: float = 8.0,
        tries: int = 3,
        allow: Iterable[str] = (),
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Open nothing yet.

        `base`: what all URLs begin with. `headers`: sent with each request, but not on to another
        origin. `timeout`: seconds for all of it, retries included. `tries`: how often a request is
        made that can be repeated. `allow`: hosts and networks that may be private.
        """
        self._base = base
        self._headers = dict(headers)
        self._timeout = timeout
        self._tries = tries
        self._reach = Reach(allow)
        self._resolver = resolver
        self._open: tuple[asyncio.AbstractEventLoop, Sessions, aiohttp.ClientSession] | None = None

    async def get(self, url: str, **how: Any) -> Answer:
        """Ask with GET; `how` as in `request`."""
        return await self.request("GET", url, **how)

    async def post(self, url: str, **how: Any) -> Answer:
        """Send with POST, once; `how` as in `request`."""
        return await self.request("POST", url, **how)

    async def request(
        self,
        method: str,
        url: str,
        *,
        path: Mapping[str, object] = _NOTHING,
        params: Mapping[str, str] = _NOTHING,
        json: object = None,
        headers: Mapping[str, str] = _NOTHING,
    ) -> Answer:
        """Ask, follow redirects, and read the whole answer.

        `path`: values for `{name}` in the URL. `params`: the query. `json`: the body.

        Raises:
            HttpFailed: there is no good answer, with a status below 400.
        """
        target = joined(self._base, filled(url, path)).update_query(params)
        body = None if json is None else orjson.dumps(json)
        request = Request(method.upper(), target, {**self._headers, **headers}, body)
        repeatable = request.method in _REPEATABLE or _has_key(request)
        exchange = Exchange(await self._session(), self._reach)
        clock = asyncio.timeout(self._timeout)
        try:
            async with clock:
                return await _tried(exchange, request, self._tries if repeatable else 1)
        except (HttpFailed, aiohttp.ClientError, ValueError, OSError) as error:
            _log.info("no good answer", error=type(error).__name__)
            failed = _explained(error, late=clock.expired())
            sure = repeatable or failed.refused or _not_sent(error, exchange)
            if sure:
                raise failed from None
            raise HttpFailed(answers.UNCERTAIN, failed.status, maybe_done=True) from None

    async def aclose(self) -> None:
        """Close the connections now; the next request opens new ones."""
        if self._open is not None:
            _, sessions, _ = self._open
            self._open = None
            await sessions.aclose()

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._open is None or self._open[0] is not loop:
            sessions = _sessions(self._reach, self._resolver)
            self._open = loop, sessions, await anext(sessions)
            weakref.finalize(self, _forgotten, loop, sessions).atexit = False
        return self._open[2]


async def _sessions(reach: Reach, resolver: AbstractResolver | None) -> Sessions:
    """Hold a session open until this generator is closed.

    asyncio closes all generators when the loop ends: that is the owner that a client in a tool file
    would otherwise lack.
    """
    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(reach, resolver),
        use_dns_cache=False,  # and so no look-up that outlives the one who waits for it
        keepalive_timeout=_KEEP_ALIVE,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),  # a cookie would tell one caller's call from another's
        headers={"User-Agent": _USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
        auto_decompress=False,
    ) as session:
        while True:
            yield session


def _forgotten(loop: asyncio.AbstractEventLoop, sessions: Sessions) -> None:
    """The client is gone; this may be any thread, and the loop may have ended long ago."""

    async def close() -> None:
        await sessions.aclose()

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: loop.create_task(close(), name="close a client"))


async def _tried(exchange: Exchange, request: Request, tries: int) -> Answer:
    retrying = AsyncRetrying(
        stop=stop_after_attempt(tries),
        wait=_PAUSE,
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return await retrying(exchange.run, request)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, HttpFailed):
        return error.status in _PASSING
    return isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError) and (
        not _refused(error)
    )


def _explained(error: Exception, *, late: bool) -> HttpFailed:
    if isinstance(error, HttpFailed):
        return error
    if _refused(error):
        return HttpFailed(answers.NOT_ALLOWED)
    if isinstance(error, ValueError):  # aiohttp's name for a URL or a header that it cannot send
        return HttpFailed(answers.UNFIT)
    return HttpFailed(answers.TOO_SLOW if late else answers.UNREACHABLE)


def _refused(error: BaseException) -> bool:
    """Whether an address was refused; aiohttp wraps what its resolver raises."""
    return isinstance(getattr(error, "os_error", error), AddressRefused)


def _not_sent(error: Exception, exchange: Exchange) -> bool:
    """Whether nothing can have come of it: the request itself never reached a server."""
    kinds = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, AddressRefused)
    return not exchange.answered and isinstance(error, (*kinds, ValueError))


def _has_key(request: Request) -> bool:
    return "idempotency-key" in map(str.lower, request.headers)
