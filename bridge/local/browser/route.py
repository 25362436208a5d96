"""/local/millis: where a page dials instead of Millis's own address.

What serves the pages is imported when the first one comes: a start of the bridge does without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bridge.local.door import Door

if TYPE_CHECKING:
    from bridge.local.browser.welcome import Lobby

PATH: Final = "/local/millis"
_MOST: Final = 16
"""Pages that may call at once: those of one developer; each may keep a thread busy listening."""

Guard = Callable[[web.Request], web.Response | None]
FindDoor = Callable[[str], Door | None]
"""The way to a persona by its name, or to whom an agent id leads; None: there is no such one."""


@dataclass(slots=True)
class _Entrance:
    """What it takes to let a page in."""

    admit: Guard
    door: FindDoor
    lobby: "Lobby | None" = None
    inside: int = 0


_ENTRANCE: web.AppKey[_Entrance] = web.AppKey("local_millis", _Entrance)


def add_local_millis(app: web.Application, admit: Guard, door: FindDoor) -> None:
    """Serve pages at /local/millis, and at /local/millis/NAME for a persona.

    `admit` looks at who asks before anything else does.
    """
    app[_ENTRANCE] = _Entrance(admit, door)
    app.router.add_get(PATH, _answer)
    app.router.add_get(PATH + "/{persona}", _answer)
    app.on_shutdown.append(_hang_up)
    app.on_cleanup.append(_close)


async def _answer(request: web.Request) -> web.StreamResponse:
    entrance = request.app[_ENTRANCE]
    refusal = entrance.admit(request)
    if refusal is not None:
        return refusal
    door = entrance.door(request.match_info.get("persona", ""))
    if door is None:
        return web.Response(status=404, text="no such persona\n")
    if entrance.inside >= _MOST:
        return web.Response(status=503, text="too many pages call at once\n")
    entrance.inside += 1
    try:
        return await _lobby(entrance).welcome(request, door)
    finally:
        entrance.inside -= 1


def _lobby(entrance: _Entrance) -> "Lobby":
    if entrance.lobby is None:
        from bridge.local.browser.welcome import Lobby  # noqa: PLC0415 - see above

        entrance.lobby = Lobby()
    return entrance.lobby


async def _hang_up(app: web.Application) -> None:
    if (lobby := app[_ENTRANCE].lobby) is not None:
        await lobby.hang_up()


async def _close(app: web.Application) -> None:
    if (lobby := app[_ENTRANCE].lobby) is not None:
        lobby.close()
