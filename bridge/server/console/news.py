"""News for an open page, as server-sent events: which part of what it shows is another now."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

_LOOK: Final = 0.2
"""Seconds between looks. Looking compares a few numbers; it costs less than telling would."""
_SIGN_OF_LIFE: Final = 15.0
"""Seconds after which something is sent, so that a page that has gone is noticed."""
_MOST: Final = 32
"""Pages that are told."""

Versions = Callable[[], Mapping[str, str]]


class News:
    """Everybody who listens."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._listeners = 0
        self._closing = asyncio.Event()

    async def tell(self, request: web.Request) -> web.StreamResponse:
        """Send the versions now, and whenever they change, until the page leaves."""
        if self._listeners >= _MOST:
            return web.Response(status=503, text="too many pages are open\n")
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        self._listeners += 1
        try:
            await response.prepare(request)
            await self._follow(response)
        except ConnectionError:  # it has left
            pass
        finally:
            self._listeners -= 1
        return response

    async def close(self, _: web.Application) -> None:
        """Let everybody go: the server stops."""
        self._closing.set()

    async def _follow(self, response: web.StreamResponse) -> None:
        told: Mapping[str, str] | None = None
        quiet = 0.0
        while not self._closing.is_set():
            versions = self._versions()
            if versions != told:
                told, quiet = versions, 0.0
                await response.write(b"data: " + orjson.dumps(versions) + b"\n\n")
            elif quiet >= _SIGN_OF_LIFE:
                quiet = 0.0
                await response.write(b": still here\n\n")
            try:
                async with asyncio.timeout(_LOOK):
                    await self._closing.wait()
            except TimeoutError:
                quiet += _LOOK
