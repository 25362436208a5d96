"""The way to the model: kept-alive HTTP/1.1 connections, one aiohttp session per event loop."""

import asyncio
import io
import urllib.request
from contextlib import suppress

import aiohttp
import httpx2
import openai
import structlog
from langchain_openai.chat_models.base import global_ssl_context  # certifi's, loaded there once
from multidict import CIMultiDict
from yarl import URL

from bridge.agent.lean_eager import EagerRequest
from bridge.agent.lean_errors import UnreadableStreamError, chat_request, status_error
from bridge.call.spans import onward

KEEP_ALIVE = 120.0
"""Seconds an idle connection is kept; callers think longer than the SDK's 5."""
DRAIN = 0.1
"""Seconds the end of a body may take after `[DONE]`, for the connection to be used again."""

_MAX_REFUSAL = 64 * 1024
_LARGE_BODY = 1024 * 1024
_REPLACED = ("Accept-Encoding", "Connection", "Content-Length", "Host", "Transfer-Encoding")
_FAILURES = (aiohttp.ClientError, OSError)  # TimeoutError is an OSError
_NO_STREAMS = {"text/html", "application/json"}

_log = structlog.get_logger(__name__)


class Upstream:
    """One model's server, spoken to with the address and the headers of the SDK's client.

    What the SDK tells of itself and its machine (`X-Stainless-…`) is left out.

    Proxies come from the environment as it is at construction. aiohttp's own `trust_env` would ask
    the default thread pool twice per request, where any hung tool could be in front of us, and it
    refuses to send our Authorization header when `~/.netrc` knows the host.
    """

    def __init__(
        self, client: openai.AsyncOpenAI, *, connect_timeout: float, read_timeout: float | None
    ) -> None:
        self.request: httpx2.Request = chat_request(client)
        """What the SDK would send, for its exceptions to carry."""
        self._client = client
        self._url = URL(str(self.request.url), encoded=True)
        self._headers = CIMultiDict(self.request.headers.multi_items())
        for name in _REPLACED:
            self._headers.popall(name, None)
        for name in [name for name in self._headers if name.lower().startswith("x-stainless-")]:
            del self._headers[name]  # what the SDK tells of itself
        self._headers["Accept-Encoding"] = "identity"  # a compressor holds tokens back
        self._connect_timeout = connect_timeout
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_timeout, sock_read=read_timeout
        )
        self._proxy = _proxy_from_environment(self._url)
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    async def open(self, body: bytes) -> "Body":
        """Send a request and return the body of its answer, of which only the head has come.

        Raises:
            openai.APIError: no connection, a refusal, or something that is no stream.
        """
        try:
            response = await self._session().post(
                self._url,
                data=io.BytesIO(body) if len(body) > _LARGE_BODY else body,  # else aiohttp warns
                headers=onward.get() or None,
                proxy=self._proxy,
            )
        except _FAILURES as error:
            raise _lost(self.request, error) from error
        try:
            await self._check(response)
        except BaseException:
            response.close()
            raise
        return Body(response, self.request)

    async def warm(self) -> None:
        """Have a connection open, so that the next request need not wait for one. Never fails."""
        session, address = self._session(), self._url.with_query(None).parent.parent
        try:
            async with (
                asyncio.timeout(self._connect_timeout),
                session.head(address, proxy=self._proxy, allow_redirects=False),
            ):
                pass
        except _FAILURES as error:
            _log.debug("model_not_warmed", error=type(error).__name__)

    async def aclose(self) -> None:
        """Close the running loop's connections; those of a closed loop are beyond help."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            self._sessions = {k: v for k, v in self._sessions.items() if not k.is_closed()}
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=300, ssl=global_ssl_context
                ),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),  # calls share nothing
                timeout=self._timeout,
                request_class=EagerRequest,
            )
        return session

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status >= 300:
            body, head = await _refusal(response), response.raw_headers
            raise status_error(self._client, self.request, response.status, head, body)
        if response.content_type in _NO_STREAMS:
            why = f"the answer is {response.content_type}, not a stream of events"
            raise UnreadableStreamError(why, self.request, body=None)


class Body:
    """The body of one answer, while it comes in."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._response = response
        self._content = response.content
        self._request = request

    async def read(self) -> bytes:
        """Wait for more; nothing more is `b""`.

        Raises:
            openai.APIConnectionError: it broke off, or timed out.
        """
        try:
            return await self._content.readany()
        except _FAILURES as error:
            raise _lost(self._request, error) from error

    async def gather(self, seconds: float) -> None:
        """Leave what comes meanwhile to the system, to be read at once: each read has its price."""
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if not isinstance(transport, asyncio.ReadTransport):  # the body has ended, or broken off
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            transport.resume_reading()

    async def read_until(self, time: float) -> bytes:
        """Wait for more until `time` by the loop's clock. Nothing, too late and broken: `b""`."""
        with suppress(*_FAILURES):
            async with asyncio.timeout_at(time):
                return await self._content.readany()
        return b""

    async def finish(self) -> None:
        """Pass over what is left after `[DONE]`, so that the connection can be used again."""
        until = asyncio.get_running_loop().time() + DRAIN
        while await self.read_until(until):
            pass

    def close(self) -> None:
        """Close the connection, unless the body has been read to its end."""
        self._response.close()


def _lost(request: httpx2.Request, error: Exception) -> openai.APIConnectionError:
    if isinstance(error, TimeoutError):
        return openai.APITimeoutError(request)
    return openai.APIConnectionError(request=request)


async def _refusal(response: aiohttp.ClientResponse) -> bytes:
    """Read an error's body, as much of it as there is and as anybody wants to read."""
    body = bytearray()
    with suppress(*_FAILURES):
        while len(body) < _MAX_REFUSAL and (data := await response.content.readany()):
            body += data
    return bytes(body[:_MAX_REFUSAL])


def _proxy_from_environment(url: URL) -> URL | None:
    if not url.host or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return URL(proxy) if proxy else None
