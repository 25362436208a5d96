"""The access log: one event for each request, with nothing in it that whoever asked has made up.

A token may be in the path or in the query, also in those of an address that is wrong. So the log
has the pattern of the route instead, and no word of an address that there is not.
"""

from typing import Final

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from bridge.server.socket import answer

_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""What machines ask for all day: told at debug, as long as it goes well."""
_LONGEST_METHOD: Final = 16

_log = structlog.get_logger(__name__)


class AccessLog(AbstractAccessLogger):
    """Tells of requests when they are over; of a call's socket, `call ended` tells instead."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Tell of one; `time` is how long it took, in seconds."""
        path = ""
        if isinstance(request, web.Request):  # else it was not HTTP
            if request.match_info.handler is answer and isinstance(response, web.WebSocketResponse):
                return
            path = _path(request)
        tell = _log.debug if path in _QUIET and response.status < 400 else _log.info
        tell(
            "request",
            method=request.method[:_LONGEST_METHOD],
            path=path,
            status=response.status,
            ms=round(time * 1000, 1),
            peer=request.remote,
        )


def _path(request: web.Request) -> str:
    """The pattern of the route, such as `/millis/{first}`; empty if there is none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical
