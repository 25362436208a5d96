"""The one writer of a socket."""

import asyncio

from aiohttp import WSMsgType, web

from bridge.errors import CallClosed
from bridge.protocol import Outbound, encode


class Outbox:
    """Puts a call's messages on its socket, whole and in order.

    There is no queue: a message is on the transport before `send` first waits, so nothing of a
    silenced turn can still be on its way here.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, timeout: float) -> None:
        self._socket = socket
        self._transport = request.transport
        self._timeout = timeout

    def cut(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def send(self, message: Outbound) -> None:
        """Write one message; a peer that does not read for `timeout` seconds is cut off.

        Raises:
            CallClosed: the peer is gone, or was cut off.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._socket.send_frame(encode(message), WSMsgType.TEXT)
        except TimeoutError as error:
            # The heartbeat does not free a writer that a full socket blocks; only this does.
            if self._transport is not None:
                self._transport.abort()
            raise CallClosed("the peer stopped reading") from error
        except (ConnectionError, RuntimeError) as error:
            raise CallClosed("the peer is gone") from error
