"""Why an MCP server cannot be used, in words that give nothing of the inside away."""

from collections.abc import Iterator
from typing import Final

import anyio
import httpx
from mcp import McpError
from mcp.types import CONNECTION_CLOSED

CLOSED: Final = "the connection was closed"
SILENT: Final = "it does not answer"
_HINTS: Final = {401: ": check its token", 403: ": check its token", 404: ": check the url"}


def why(error: BaseException) -> str:
    """One line; never the text of a foreign error, which may quote a secret."""
    reasons = list(dict.fromkeys(map(_reason, _leaves(error))))
    return next((reason for reason in reasons if reason != CLOSED), CLOSED)


def is_over(error: McpError) -> bool:
    """Whether an answer says that there is no connection any more, rather than a server's no."""
    told = error.error
    return (told.code, told.message) in {
        (CONNECTION_CLOSED, "Connection closed"),
        (32600, "Session terminated"),
    }


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _reason(error: BaseException) -> str:
    reason = f"it breaks the protocol ({type(error).__name__})"
    match error:
        case httpx.HTTPStatusError():
            status = error.response.status_code
            reason = f"it answers with HTTP {status}{_HINTS.get(status, '')}"
        case httpx.TimeoutException() | TimeoutError():
            reason = SILENT
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            reason = "its url cannot be used"
        case httpx.TransportError():
            reason = "it cannot be reached"
        case FileNotFoundError() | PermissionError() | NotADirectoryError():
            reason = f"it cannot be started: {error.strerror}"
        case McpError() if not is_over(error):
            reason = "it refuses the connection"
        case OSError() | McpError() | anyio.ClosedResourceError() | anyio.BrokenResourceError():
            reason = CLOSED
        case _:
            pass
    return reason
