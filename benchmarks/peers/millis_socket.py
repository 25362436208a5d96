"""The Millis side of a peer's server: the socket's protocol, the command line, the tools asked for.

It imports aiohttp and orjson only, and so runs in each peer's own environment.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import WSMsgType, web

Line = dict[str, str]
"""One line of the transcript: its role, user or assistant, and its content."""

_SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])


@dataclass(frozen=True)
class Settings:
    """What the suite asks a server to be."""

    port: int
    tools: list[dict[str, Any]]
    """The functions of OpenAI tool definitions: name, description and parameters."""
    prompt: str
    model: str = "fake"


class Answer:
    """What is said on one stream. Nothing is sent once it has ended or was cut off."""

    def __init__(self, socket: web.WebSocketResponse, stream_id: int) -> None:
        self._socket = socket
        self._stream_id = stream_id
        self.over = False

    async def say(self, text: str) -> None:
        """Send a piece of the answer."""
        if text:
            await self._send(text, last=False)

    async def end(self) -> None:
        """Send the end of the answer."""
        await self._send("", last=True)
        self.over = True

    def cut(self) -> None:
        """Send no more of it."""
        self.over = True

    async def _send(self, content: str, *, last: bool) -> None:
        if self.over or self._socket.closed:
            return
        data = {
            "stream_id": self._stream_id,
            "content": content,
            "flush": False,
            "end_of_stream": last,
        }
        await self._socket.send_str(
            orjson.dumps({"type": "stream_response", "data": data}).decode()
        )


class Call(Protocol):
    """A framework's side of one call."""

    async def answer(self, answer: Answer, transcript: list[Line]) -> None:
        """Begin to answer the transcript, which is the whole history."""

    async def interrupt(self) -> None:
        """Stop the answer. Returns once the framework is ready for the next turn."""


class Peer(Protocol):
    """A framework's side of the process: made once from the settings."""

    def call(self) -> AbstractAsyncContextManager[Call]:
        """Open a call, for as long as its socket is open."""


def serve(make_peer: Callable[[Settings], Peer]) -> None:
    """Serve as the command line says, until SIGTERM."""
    settings = _settings()
    peer = make_peer(settings)
    app = web.Application()
    app[_SOCKETS] = set()

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ready")

    async def millis(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        app[_SOCKETS].add(socket)
        try:
            async with peer.call() as call:
                await _listen(socket, call)
        finally:
            app[_SOCKETS].discard(socket)
        return socket

    app.add_routes([web.get("/readyz", ready), web.get("/millis", millis)])
    app.on_shutdown.append(_hang_up)
    web.run_app(
        app, host="127.0.0.1", port=settings.port, access_log=None, print=None, shutdown_timeout=2
    )


async def _hang_up(app: web.Application) -> None:
    for socket in list(app[_SOCKETS]):
        await socket.close()


async def _listen(socket: web.WebSocketResponse, call: Call) -> None:
    current: Answer | None = None

    async def stop() -> None:
        if current is not None and not current.over:
            current.cut()
            await call.interrupt()

    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        frame = orjson.loads(message.data)
        if frame["type"] == "stream_request":
            await stop()
            current = Answer(socket, frame["data"]["stream_id"])
            await call.answer(current, frame["data"]["transcript"])
        elif frame["type"] == "interrupt":
            await stop()
    if current is not None:
        current.cut()


def _settings() -> Settings:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tools", type=int, default=0)
    parser.add_argument("--tools-file", type=Path)
    asked = parser.parse_args()
    if asked.tools_file is None:
        tools = [_tool(number) for number in range(asked.tools)]
    else:
        definitions = orjson.loads(asked.tools_file.read_bytes())
        tools = [each["function"] for each in definitions[: asked.tools]]
    if len(tools) < asked.tools:
        parser.error(f"{asked.tools_file} has {len(tools)} tools, not {asked.tools}")
    prompt = os.environ.get("BENCH_SYSTEM_PROMPT", "You are a helpful phone agent.")
    return Settings(asked.port, tools, prompt)


def _tool(number: int) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to look up."}},
        "required": ["query"],
    }
    name = f"look_up_{number}"
    return {
        "name": name,
        "description": f"Look something up in {number}.",
        "parameters": parameters,
    }
