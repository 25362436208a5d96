"""The floor: a bare relay on aiohttp, from the model's events to WebSocket frames, and no more.

It has no agent, no history of its own, no tools, no filter, no record: it asks the model with the
caller's transcript and passes on what comes. Nothing built on aiohttp can be faster by much.
"""

import argparse
import asyncio
import gc
import os
from typing import Any

import aiohttp
import orjson
from aiohttp import WSMsgType, web

HTTP = web.AppKey("http", aiohttp.ClientSession)


class Relay:
    """One call."""

    def __init__(self, socket: web.WebSocketResponse, http: aiohttp.ClientSession) -> None:
        self._socket = socket
        self._http = http
        self._url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
        self._answering: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Answer requests until the caller hangs up."""
        async for frame in self._socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            message = orjson.loads(frame.data)
            if message["type"] == "start_call":
                async with self._http.head(os.environ["OPENAI_BASE_URL"]):
                    pass  # a connection to the model is open from now on
            elif message["type"] == "stream_request":
                self._answering = asyncio.create_task(self._answer(message["data"]))
            elif message["type"] == "interrupt" and self._answering is not None:
                self._answering.cancel()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait({self._answering})

    async def _answer(self, data: dict[str, Any]) -> None:
        prompt = {"role": "system", "content": os.environ.get("BENCH_SYSTEM_PROMPT", "")}
        messages = [prompt, *data["transcript"]]
        body = {"model": "fake", "stream": True, "messages": messages}
        head = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench"}
        response = await self._http.post(self._url, data=orjson.dumps(body), headers=head)
        try:
            rest, done = b"", False
            while not done and (read := await response.content.readany()):
                *events, rest = (rest + read).split(b"\n\n")
                words = ""
                for event in events:
                    if event == b"data: [DONE]":
                        done = True
                    else:
                        delta = orjson.loads(event[6:])["choices"][0]["delta"]
                        words += delta.get("content") or ""
                if words:
                    await self._send(data["stream_id"], words, end=False)
            await response.content.readany()  # the end of the body: the connection is free again
            await self._send(data["stream_id"], "", end=True)
        finally:
            response.close()

    async def _send(self, stream_id: int, content: str, *, end: bool) -> None:
        data = {"stream_id": stream_id, "content": content, "end_of_stream": end}
        frame = orjson.dumps({"type": "stream_response", "data": data})
        await self._socket.send_frame(frame, WSMsgType.TEXT)


async def _call(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    await Relay(socket, request.app[HTTP]).listen()
    return socket


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="ready")


def _app() -> web.Application:
    async def session(app: web.Application) -> Any:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=120)
        async with aiohttp.ClientSession(connector=connector) as app[HTTP]:
            gc.freeze()
            yield

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.add_routes([web.get("/millis", _call), web.get("/readyz", _ready)])
    return app


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    port = arguments.parse_args().port
    web.run_app(_app(), host="127.0.0.1", port=port, print=None, access_log=None, backlog=4096)
