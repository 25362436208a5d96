"""Millis's socket: refuse or accept, then read frames and route them until the caller is gone."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from bridge.call.call import Call
from bridge.call.delivery import now
from bridge.call.events import Ending
from bridge.call.setup import CallSetup
from bridge.errors import CallClosed, ProtocolError, let_frames_go
from bridge.protocol import MAX_FRAME_BYTES, Inbound, decode
from bridge.server.access import Keys, foreign_origin
from bridge.server.guesses import Guesses
from bridge.server.hall import let_through
from bridge.server.loopback import is_rebound
from bridge.server.outbox import Live, Outbox

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Switchboard:
    """The calls of one process, and what it takes to accept another."""

    calls: CallSetup
    """Of calls whose persona is chosen by their agent."""
    personas: Mapping[str, CallSetup]
    """Of calls whose persona is known from the path or the token."""
    keys: Keys
    max_calls: int
    send_timeout: float
    first_message_timeout: float
    heartbeat: float
    guesses: Guesses = field(default_factory=Guesses)
    live: Live = field(default_factory=Live)
    refused: Counter[str] = field(default_factory=Counter)
    """Sockets that were not let in, by reason: `token`, `origin`, `draining`, `full`, or cut off
    because they asked for nothing: `silent`, `crowded`."""
    calls_live: dict[Outbox, Call] = field(default_factory=dict)
    """Those of them that are a call already."""
    ready: bool = True
    """Whether a load balancer is to send calls."""
    draining: bool = False
    """Whether calls are refused, as the server stops."""
    hanging_up: bool = False
    """Whether those that are left are hung up."""

    @property
    def dropped(self) -> Counter[str]:
        """Frames and requests that could not be used, by reason."""
        return self.calls.dropped

    def cut_off(self, why: str) -> None:
        """Count a connection that asked for nothing."""
        self.refused[why] += 1

    def let_go(self, outbox: Outbox) -> None:
        """Nothing of this call goes on any more, its tools neither."""
        self.calls_live.pop(outbox, None)
        self.live.leave(outbox)


SWITCHBOARD: web.AppKey[Switchboard] = web.AppKey("switchboard", Switchboard)


def new_socket(heartbeat: float) -> web.WebSocketResponse:
    """A call's socket, before the handshake. Whoever reads from it answers its pings."""
    return web.WebSocketResponse(
        heartbeat=heartbeat,
        compress=False,  # permessage-deflate costs 100 KiB a connection and invites bombs
        max_msg_size=MAX_FRAME_BYTES + 1,  # aiohttp's is the first size that is too large
        autoping=False,  # it would wait for ever for a peer that pings and does not read
    )


async def answer(request: web.Request) -> web.StreamResponse:
    """Serve one call, from the handshake to the hang-up."""
    board = request.app[SWITCHBOARD]
    persona = board.keys.admit(request)
    if persona is None:
        board.refused["token"] += 1
        return board.guesses.answer(request, "call")
    refusal = _refusal(request, board)
    if refusal is not None:
        return refusal
    socket, transport = new_socket(board.heartbeat), request.transport
    outbox = Outbox(socket, request, board.send_timeout)
    board.live.add(outbox)
    try:
        await socket.prepare(request)
        let_through(request)
        began = now()
        call = Call(outbox, board.personas[persona] if persona else board.calls)
        board.calls_live[outbox] = call
        ending: Ending = "hung_up"
        try:
            ending = await _listen(socket, call, outbox, board)
        finally:
            async with asyncio.TaskGroup() as leaving:
                leaving.create_task(outbox.say_goodbye(), name="goodbye")
                ended = await call.close("server_stopped" if board.hanging_up else ending)
            _log.info(
                "call ended",
                session=call.data.session_id,
                ending=ended,
                close_code=socket.close_code,
                seconds=round(now() - began, 1),
                peer=request.remote,
            )
    finally:
        board.let_go(outbox)
        outbox.let_go()
        _untie(request, socket, transport)
    return socket


def _untie(
    request: web.Request, socket: web.WebSocketResponse, transport: asyncio.Transport | None
) -> None:
    """Break the circles of aiohttp's connection and socket (seen in 3.14), and of asyncio's.

    They keep 9 KiB of each finished call until the garbage collector looks for it, which is seldom;
    and more of one whose connection was lost, since the error knows where it was raised.
    """
    let_frames_go(socket.exception())
    with contextlib.suppress(AttributeError):  # another version: then it is not this circle
        request.protocol._data_received_cb = None  # noqa: SLF001
    if transport is not None and transport.is_closing():  # it reads no more
        with contextlib.suppress(AttributeError):  # another event loop
            transport._read_ready_cb = None  # type: ignore[attr-defined] # noqa: SLF001


def _refusal(request: web.Request, board: Switchboard) -> web.Response | None:
    """Say no before the upgrade."""
    if foreign_origin(request) or (board.keys.are_none and is_rebound(request)):
        board.refused["origin"] += 1
        return web.Response(status=403, text="forbidden\n")
    if board.draining or len(board.live) >= board.max_calls:
        board.refused["draining" if board.draining else "full"] += 1
        _log.warning("call refused", live=len(board.live), draining=board.draining)
        return web.Response(status=503, text="no free line\n", headers={"Retry-After": "5"})
    return None


async def _listen(
    socket: web.WebSocketResponse, call: Call, outbox: Outbox, board: Switchboard
) -> Ending:
    """Route what comes until the socket is closed, and say why it was."""
    ending: Ending = "hung_up"
    try:
        async with outbox.reading(board.first_message_timeout):
            async for frame in socket:
                if frame.type is WSMsgType.PING:
                    with contextlib.suppress(CallClosed):  # then the loop ends, too
                        await outbox.pong(frame.data)
                elif (message := _read(frame, call, board.dropped)) is not None:
                    outbox.heard()
                    call.hear(message)
                elif frame.type is WSMsgType.ERROR and isinstance(frame.data, WebSocketError):
                    ending = "bad_frame"
                del frame
                message = None  # a call that waits holds nothing of what it was told
    except TimeoutError:
        if not outbox.hung_up:
            _log.info("call closed: nothing was said after connecting")
            outbox.hang_up(WSCloseCode.POLICY_VIOLATION, b"nothing was said")
            ending = "nothing_said"
    return "not_reading" if outbox.gave_up else ending


def _read(frame: WSMessage, call: Call, dropped: Counter[str]) -> Inbound | None:
    """Take a message from a frame; what is none is counted."""
    match frame.type:
        case WSMsgType.TEXT:
            try:
                return decode(frame.data)
            except ProtocolError as error:
                reason = error.reason
        case WSMsgType.BINARY:
            reason = "binary"
        case WSMsgType.ERROR if isinstance(frame.data, WebSocketError):
            reason = "protocol_error"  # too large, or no WebSocket: the socket is closed
        case _:
            return None
    dropped[reason] += 1
    _log.debug("frame dropped", session=call.data.session_id, reason=reason)
    return None
