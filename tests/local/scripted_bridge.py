"""A bridge that says what the script says, also what no real one should."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiohttp import WSMsgType, web

HEALTH = {
    "status": "ok",
    "version": "9.9",
    "model": "scripted",
    "tools": [],
    "failures": [],
    "calls": 0,
}


@dataclass(frozen=True)
class On:
    """Words on another stream than the one that was asked for."""

    stream_id: int
    text: str


@dataclass(frozen=True)
class Say:
    """Words with what Millis is told to do about them."""

    text: str
    flush: bool = False
    pause: int | None = None


END = object()
"""The end of the stream."""
END_CALL = object()
INTERRUPT = object()
"""Read until an interrupt has come."""
CLOSE = object()
"""Close the socket."""
Script = Mapping[str, Sequence[Any]]
"""What follows each line of the caller's, and `""` for the call's beginning; a number waits."""


class ScriptedBridge:
    """Serves calls on loopback; remembers what it was told."""

    def __init__(
        self, script: Script, *, refuse: int | None = None, health: object = HEALTH
    ) -> None:
        self.received: list[dict[str, Any]] = []
        self.times: list[float] = []
        """When each of these came, on the loop's clock."""
        self.headers: list[Mapping[str, str]] = []
        self.hung_up = asyncio.Event()
        self.close_codes: list[int | None] = []
        self.steps = 0
        """How much of its scripts has been sent."""
        self.port = 0
        self._script = script
        self._refuse = refuse
        self._health = health
        app = web.Application()
        app.router.add_get("/millis", self._answer)
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/millis"

    def received_of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == kind]

    def when(self, kind: str) -> list[float]:
        """Seconds from the beginning of the call until each message of a kind."""
        kinds = zip(self.received, self.times, strict=True)
        return [round(at - self.times[0], 6) for message, at in kinds if message["type"] == kind]

    def transcript(self) -> list[tuple[str, str]]:
        """What the newest request says was said."""
        lines = self.received_of("stream_request")[-1]["data"]["transcript"]
        return [(line["role"], line["content"]) for line in lines]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response(self._health)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._refuse is not None:
            return web.Response(status=self._refuse)
        self.headers.append(request.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while (message := await self._next(socket)) is not None:
            if message["type"] == "start_call":
                await self._play(socket, message["data"]["stream_id"], "")
            elif message["type"] == "stream_request":
                data = message["data"]
                await self._play(socket, data["stream_id"], data["transcript"][-1]["content"])
        self.close_codes.append(socket.close_code)
        self.hung_up.set()
        return socket

    async def _next(self, socket: web.WebSocketResponse) -> dict[str, Any] | None:
        try:
            frame = await socket.receive()
        except ConnectionError:  # it pings, and has vanished
            return None
        if frame.type is not WSMsgType.TEXT:
            return None
        message: dict[str, Any] = orjson.loads(frame.data)
        self.received.append(message)
        self.times.append(asyncio.get_running_loop().time())
        return message

    async def _play(self, socket: web.WebSocketResponse, stream_id: int, line: str) -> None:
        for step in self._script.get(line, [END]):
            self.steps += 1
            match step:
                case str() | Say() | On():
                    await socket.send_json(_words(step, stream_id))
                case bytes():
                    await socket.send_bytes(step)
                case dict():
                    await socket.send_json(step)
                case float():
                    await asyncio.sleep(step)
                case _ if step is END:
                    await socket.send_json(_response(stream_id, "", end_of_stream=True))
                case _ if step is END_CALL:
                    await socket.send_json({"type": "end_call", "data": {"stream_id": stream_id}})
                case _ if step is INTERRUPT:
                    await self._wait_for_interrupt(socket)
                case _:
                    await socket.close(code=1012)

    async def _wait_for_interrupt(self, socket: web.WebSocketResponse) -> None:
        while (told := await self._next(socket)) and told["type"] != "interrupt":
            pass


def _words(step: str | Say | On, stream_id: int) -> dict[str, Any]:
    match step:
        case str():
            return _response(stream_id, step)
        case Say():
            return _response(stream_id, step.text, flush=step.flush, pause=step.pause)
        case On():
            return _response(step.stream_id, step.text)


def _response(stream_id: int, text: str, **told: Any) -> dict[str, Any]:
    data = {"stream_id": stream_id, "content": text, "end_of_stream": False, **told}
    return {"type": "stream_response", "data": data}
