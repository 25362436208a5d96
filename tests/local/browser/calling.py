"""A page that calls, without a browser: the web SDK's protocol with a plain WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bridge.app import Bridge
from tests.wire import PATIENCE

SILENT = {"provider": "silence"}


@dataclass(frozen=True)
class Told:
    """One message from Millis."""

    method: str
    data: Any
    payload: dict[str, Any]
    at: float


@dataclass
class Web:
    """One page's socket, and all that came over it; sound is `onaudio` with its bytes as data."""

    socket: aiohttp.ClientWebSocketResponse
    told: list[Told] = field(default_factory=list)

    async def initiate(self, agent: Any = None, *, voice: object = SILENT, **data: object) -> str:
        """Begin as the SDK does, with a voice that takes 0.4 s a word; the session id."""
        agent = {} if agent is None else agent
        config = {"voice": voice, **agent.get("agent_config", {})}
        body = {"public_key": "pk", "agent": {**agent, "agent_config": config}, **data}
        await self.send({"method": "initiate", "data": body})
        session: str = (await self.until("onready")).payload["session_id"]
        return session

    async def send(self, message: object) -> None:
        await self.socket.send_str(orjson.dumps(message).decode())

    async def say(self, text: str) -> None:
        await self.send({"method": "say", "data": text})

    async def next(self) -> Told:
        """Wait for the next message."""
        async with asyncio.timeout(PATIENCE * 100):  # long in virtual time only
            frame = await self.socket.receive()
        now = asyncio.get_running_loop().time()
        if frame.type is aiohttp.WSMsgType.BINARY:
            told = Told("onaudio", frame.data, {}, now)
        elif frame.type is aiohttp.WSMsgType.TEXT:
            message = orjson.loads(frame.data)
            payload = message.get("payload", {})
            told = Told(message["method"], message.get("data"), payload, now)
        else:
            raise ConnectionError(f"closed: {self.socket.close_code} {frame.extra or ''}")
        self.told.append(told)
        return told

    async def until(self, method: str, data: object = None, **payload: object) -> Told:
        """Wait for a message like that."""
        while True:
            told = await self.next()
            fits = data in (None, told.data) and payload.items() <= told.payload.items()
            if told.method == method and fits:
                return told

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the socket is closed; the code, and why."""
        why = ""
        while not self.socket.closed:
            async with asyncio.timeout(PATIENCE * 100):
                frame = await self.socket.receive()
            if frame.type is aiohttp.WSMsgType.CLOSE:
                why = str(frame.extra or "")
        return self.socket.close_code, why

    def of(self, method: str) -> list[Told]:
        return [told for told in self.told if told.method == method]

    def methods(self, *, but: Callable[[str], bool] = lambda _: False) -> list[str]:
        return [told.method for told in self.told if not but(told.method)]

    @property
    def sound(self) -> bytes:
        return b"".join(told.data for told in self.of("onaudio"))


@asynccontextmanager
async def web_dialled(
    bridge: Bridge, path: str = "/local/millis", **kwargs: Any
) -> AsyncIterator[Web]:
    """Dial the local Millis, and hang up at the end."""
    url = f"http://127.0.0.1:{bridge.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, **kwargs) as socket,
    ):
        yield Web(socket)
