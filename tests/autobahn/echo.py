"""A call's socket, as the bridge makes it, that says back what it hears.

Made by `new_socket` and written to as an outbox does it; only the call behind it is missing.
"""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import WSMessage, WSMsgType, web

from bridge.errors import CallClosed
from bridge.server.outbox import Outbox, text_frame
from bridge.server.socket import new_socket
from bridge.settings import Settings

LARGEST = 17 << 20
"""Bytes of a message at /large: one more MiB than the suite's largest."""


class Echo(Outbox):
    """Writes as an outbox does: at once, if the peer has read all there was, and else in turn."""

    async def echo(self, frame: WSMessage) -> None:
        """Say back one message.

        Raises:
            CallClosed: the peer is gone, or was cut off.
        """
        if frame.type is WSMsgType.PING:
            await self.pong(frame.data)
        elif frame.type is WSMsgType.BINARY:
            await self._write(frame.data, WSMsgType.BINARY)
        elif frame.type is WSMsgType.TEXT:
            payload = frame.data.encode()
            if self.ready and self._transport is not None:
                self._transport.write(text_frame(payload))
            else:
                await self._write(payload, WSMsgType.TEXT)


async def answer(request: web.Request) -> web.StreamResponse:
    """Serve one connection, from the handshake to the hang-up."""
    settings = Settings.model_construct()
    socket = new_socket(settings.heartbeat)
    if request.path == "/large":
        socket._max_msg_size = LARGEST
    outbox = Echo(socket, request, settings.send_timeout)
    await socket.prepare(request)
    with contextlib.suppress(CallClosed):
        async for frame in socket:
            await outbox.echo(frame)
    outbox.let_go()
    return socket


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """Serve `/millis`, and `/large` without the bridge's limit, on a free port; its origin."""
    app = web.Application()
    app.router.add_get("/millis", answer)
    app.router.add_get("/large", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
