"""Is it alive, is it ready, and what did not load."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from bridge.server.socket import SWITCHBOARD

Findings = Callable[[], dict[str, Any]]
FINDINGS: web.AppKey[Findings] = web.AppKey("findings", Callable)  # type: ignore[arg-type]


async def healthz(request: web.Request) -> web.Response:
    """Alive: always 200 while the loop runs; `degraded` if something did not load, or is away."""
    board = request.app[SWITCHBOARD]
    findings = request.app[FINDINGS]()
    body = {
        "status": "degraded" if findings["failures"] or _ailing(findings) else "ok",
        **findings,
        "calls": len(board.live),
        "dropped_frames": dict(board.dropped),
    }
    return web.Response(body=orjson.dumps(body, default=str), content_type="application/json")


def _ailing(findings: dict[str, Any]) -> bool:
    return any(findings[part]["state"] not in ("ok", "off") for part in ("record", "webhook"))


async def readyz(request: web.Request) -> web.Response:
    """Ready for another call: 503 while the server stops."""
    if request.app[SWITCHBOARD].draining:
        return web.Response(status=503, text="draining\n")
    return web.Response(text="ready\n")
