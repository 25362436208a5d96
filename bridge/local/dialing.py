"""Connecting to a bridge, and why there is no call."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp

from bridge.errors import BridgeError

_CONNECT: Final = 10.0
"""Seconds until the bridge must have answered the handshake."""
_CLOSE: Final = aiohttp.ClientWSTimeout(ws_close=2.0)

_REFUSALS: Final = {
    401: "it refuses the token: put it in BRIDGE_TOKEN, or in the URL as …/millis/TOKEN",
    403: "it refuses calls from another site",
    404: "nothing answers calls at this path: the path is /millis",
    503: "it has no free line, or is stopping: try again",
}


class CallRefused(BridgeError):
    """There is no call. The message is one line without the address, which may hold a token."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """HTTP status of the refusal; None if nobody answered."""


async def connected(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> aiohttp.ClientWebSocketResponse:
    """Shake hands with a bridge.

    Raises:
        CallRefused: nobody answers, or the answer is no.
    """
    try:
        async with asyncio.timeout(_CONNECT):
            return await session.ws_connect(
                url, headers=headers, autoping=False, compress=0, timeout=_CLOSE
            )
    except aiohttp.WSServerHandshakeError as error:
        reason = _REFUSALS.get(error.status, f"it answers with HTTP status {error.status}")
        raise CallRefused(reason, error.status) from None
    except TimeoutError:
        raise CallRefused(f"nobody answers within {_CONNECT:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        why = getattr(cause, "strerror", None) or type(error).__name__
        raise CallRefused(f"nobody answers ({why})") from None
