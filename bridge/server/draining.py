"""Leaving without hanging up on anybody: no new calls, and the live ones end by themselves."""

import asyncio

import structlog

from bridge.server.socket import Switchboard

_log = structlog.get_logger(__name__)

_ENDINGS = 2.0
"""Seconds in which replies that are broken off have sent their last frames."""


async def drain(board: Switchboard, *, pre_drain: float, timeout: float) -> None:
    """Take no more calls, and wait until those that are live have ended, their tools too.

    `/readyz` says 503 at once, but calls are refused only after `pre_drain` seconds, when a load
    balancer has noticed. Replies that are being given `timeout` seconds after the beginning are
    broken off, so that their streams end; then this returns, and somebody may hang up.
    """
    board.ready = False
    _log.info("draining", live=len(board.live))
    try:
        async with asyncio.timeout(timeout):
            await asyncio.sleep(pre_drain)
            board.draining = True
            await board.live.emptied()
    except TimeoutError:
        board.draining = True
        _log.warning("calls are still going on and are hung up", live=len(board.live))
        await _break_off(board)


async def _break_off(board: Switchboard) -> None:
    ending = [asyncio.create_task(call.break_off()) for call in board.calls_live.values()]
    if ending:
        try:
            await asyncio.wait(ending, timeout=_ENDINGS)
        finally:
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)
