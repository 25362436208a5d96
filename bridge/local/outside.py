"""What a bridge tells besides the call itself: its health, and what its tools do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import orjson

from bridge.local.door import Door

_PATIENCE: Final = 2.0
"""Seconds for an answer about health, or to begin watching."""
_MAX_BODY: Final = 1 << 20
_SIGNS: Final = {"status", "version", "model", "tools", "failures", "calls"}
"""What a millis-bridge says of itself."""

Tell = Callable[[str, dict[str, Any]], None]
"""Gets an event's name and its data, see call.events."""


async def health_of(door: Door) -> dict[str, Any] | None:
    """Ask a bridge how it is; None if there is none. No token is sent."""
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            aiohttp.ClientSession() as session,
            session.get(door.health, allow_redirects=False) as response,
        ):
            body = orjson.loads(await response.content.read(_MAX_BODY))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    return body if isinstance(body, dict) and body.keys() >= _SIGNS else None


@contextlib.asynccontextmanager
async def watched(door: Door, session_id: str, tell: Tell) -> AsyncIterator[bool]:
    """Hear of a call's tools and turns while the block runs; gives False if that is refused."""
    headers = {"Authorization": f"Bearer {door.token}"} if door.token else {}
    async with aiohttp.ClientSession() as session:
        socket = await _watching(session, door.watch(session_id), headers)
        if socket is None:
            yield False
            return
        hearing = asyncio.create_task(_hear(socket, tell), name="watch call")
        try:
            yield True
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})
            await socket.close()


async def _watching(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str]
) -> aiohttp.ClientWebSocketResponse | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            socket = await session.ws_connect(
                url, headers=headers, autoping=False, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)
            )
            await socket.ping()  # answered once the bridge has begun to note events for us
            await socket.receive()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return socket


async def _hear(socket: aiohttp.ClientWebSocketResponse, tell: Tell) -> None:
    async for frame in socket:
        if frame.type is aiohttp.WSMsgType.PING:
            with contextlib.suppress(ConnectionError):
                await socket.pong(frame.data)
        elif frame.type is aiohttp.WSMsgType.TEXT:
            with contextlib.suppress(orjson.JSONDecodeError):
                message = orjson.loads(frame.data)
                if isinstance(message, dict) and isinstance(message.get("data"), dict):
                    tell(str(message.get("event")), message["data"])
