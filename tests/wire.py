"""Millis's end of a real socket to a real bridge, for tests of the whole path."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import orjson

from bridge.app import Bridge
from bridge.settings import Settings

PATIENCE = 10.0
"""Seconds a test waits for a frame before it fails."""


class Wire:
    """One socket, as Millis holds it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.got: list[dict[str, Any]] = []
        """Every message that has come, in order."""

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self.socket.send_str(text)

    async def start(self, stream_id: object = 0, session: str = "s", **data: object) -> None:
        body = {"stream_id": stream_id, "session_id": session, **data}
        await self.send({"type": "start_call", "data": body})

    async def ask(self, stream_id: object, *said: str) -> None:
        """Ask with a conversation that ends with the caller's line."""
        roles = ("user", "assistant")
        lines = [
            {"role": roles[(len(said) - 1 - i) % 2], "content": text} for i, text in enumerate(said)
        ]
        body = {"stream_id": stream_id, "transcript": lines}
        await self.send({"type": "stream_request", "data": body})

    async def interrupt(self, stream_id: object = None) -> None:
        await self.send({"type": "interrupt", "stream_id": stream_id})

    async def next(self) -> dict[str, Any]:
        """Wait for the next message; its `data`, with the type."""
        async with asyncio.timeout(PATIENCE):
            frame = await self.socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"closed: {frame.type.name} {self.socket.close_code}")
        message = orjson.loads(frame.data)
        data = {"type": message["type"], **message["data"]}
        self.got.append(data)
        return data

    async def answer(self, stream_id: object) -> str:
        """Wait until a stream has ended; what was said on it."""
        while not self.ended(stream_id):
            await self.next()
        return self.said(stream_id)

    async def first_word(self, stream_id: object) -> None:
        while not self.said(stream_id).strip():
            await self.next()

    async def asked(self, stream_id: object, *said: str) -> str:
        await self.ask(stream_id, *said)
        return await self.answer(stream_id)

    async def settled(self) -> None:
        """Wait until the bridge has read all that we sent, taking in what it said meanwhile.

        A ping is answered in order, so no frame of a silenced stream may come after the pong.
        """
        mark = os.urandom(8)
        await self.socket.ping(mark)
        while True:
            async with asyncio.timeout(PATIENCE):
                frame = await self.socket.receive()
            if frame.type is aiohttp.WSMsgType.PONG and frame.data == mark:
                return
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(f"closed: {frame.type.name}")
            message = orjson.loads(frame.data)
            self.got.append({"type": message["type"], **message["data"]})

    async def closed(self) -> int | None:
        """Wait until the bridge has closed the socket; its close code."""
        async with asyncio.timeout(PATIENCE + 10):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code

    def of(self, stream_id: object) -> list[dict[str, Any]]:
        return [message for message in self.got if message["stream_id"] == stream_id]

    def said(self, stream_id: object) -> str:
        return "".join(message.get("content", "") for message in self.of(stream_id))

    def ended(self, stream_id: object) -> bool:
        return any(message.get("end_of_stream") for message in self.of(stream_id))

    def endings(self, stream_id: object) -> int:
        return sum(bool(message.get("end_of_stream")) for message in self.of(stream_id))


@asynccontextmanager
async def dialled(bridge: Bridge, path: str = "/millis", **kwargs: Any) -> AsyncIterator[Wire]:
    """Dial a bridge, and hang up at the end."""
    url = f"http://127.0.0.1:{bridge.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, autoping=False, **kwargs) as socket,
    ):
        yield Wire(socket)


class Watch:
    """What can be watched of a call: turns and tools."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def until(self, event: str, **data: object) -> dict[str, Any]:
        """Wait for an event whose data has these values."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = orjson.loads((await self._socket.receive()).data)
                self.events.append(seen)
                if seen["event"] == event and data.items() <= seen["data"].items():
                    found: dict[str, Any] = seen["data"]
                    return found


@asynccontextmanager
async def watched(bridge: Bridge, session: str = "s") -> AsyncIterator[Watch]:
    """Watch a call, from before it begins."""
    url = f"http://127.0.0.1:{bridge.port}/watch/{session}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        yield Watch(socket)


@asynccontextmanager
async def bridge_running(
    folder: Path, base_url: str = "http://127.0.0.1:9/v1", **settings: Any
) -> AsyncIterator[Bridge]:
    """Run a bridge in this process, with its own tools/ and prompts/ below `folder`."""
    for name in ("tools", "prompts"):
        (folder / name).mkdir(exist_ok=True)
    variables: Mapping[str, str] = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-test"}
    with mock.patch.dict(os.environ, variables):
        bridge = Bridge(
            Settings(
                port=0,
                tools_dir=folder / "tools",
                prompts_dir=folder / "prompts",
                **{"model": "openai:fake", **settings},
            )
        )
    async with bridge:
        yield bridge
