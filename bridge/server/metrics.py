"""`/metrics`: for Prometheus, and for nobody who may not read the record."""

from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from bridge.server.problems import CannotAnswer
from bridge.server.readers import Readers

_log = structlog.get_logger(__name__)

Page = Callable[[], bytes]
"""Everything that is counted, as it is now."""

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PAGE: web.AppKey[Page] = web.AppKey("metrics page", Callable)  # type: ignore[arg-type]
_READERS: web.AppKey[Readers] = web.AppKey("metrics readers", Readers)


def add_metrics(app: web.Application, page: Page, readers: Readers) -> None:
    """Serve the page at /metrics."""
    app[_PAGE], app[_READERS] = page, readers
    app.router.add_get("/metrics", _metrics)


async def _metrics(request: web.Request) -> web.Response:
    try:
        request.app[_READERS].admit(request)
    except CannotAnswer as refusal:
        return refusal.response()
    try:
        page = request.app[_PAGE]()
    except OSError as error:  # none rather than a part of them: counters would go backwards
        _log.warning("the metrics of other processes cannot be read", reason=error.strerror)
        return web.Response(status=503, text="the metrics of other processes cannot be read\n")
    return web.Response(
        body=page,
        headers={"Content-Type": _TYPE, "Cache-Control": "no-store"},
    )
