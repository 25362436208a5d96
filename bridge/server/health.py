"""Is it alive, is it ready, and what did not load."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from bridge.server.loopback import is_from_here
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
        "failures": findings["failures"] if is_from_here(request) else _named(findings["failures"]),
        "calls": len(board.live),
        "dropped_frames": dict(board.dropped),
    }
    return web.Response(body=orjson.dumps(body, default=str), content_type="application/json")


def _ailing(findings: dict[str, Any]) -> bool:
    return any(findings[part]["state"] not in ("ok", "off") for part in ("record", "webhook"))


def _named(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What others are told: a reason is what foreign code said, whatever it quotes."""
    return [{**failure, "reason": "see the log of the bridge"} for failure in failures]


async def readyz(request: web.Request) -> web.Response:
    """Ready for another call: 503 from when the server is told to stop."""
    if not request.app[SWITCHBOARD].ready:
        return web.Response(status=503, text="draining\n")
    return web.Response(text="ready\n")
