"""D5, D6: tools with side effects, and callers who speak over them or hang up."""

import asyncio

from tests.faults.cases.model_tools import HEAD
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import asking, came_true, noted, tool_call

BOOK = (
    HEAD
    + '''
@tool
async def book(room: str) -> str:
    """Book a room."""
    note(room, "begun")
    await asyncio.sleep(0.05)
    note(room, "done")
    return f"booked {room}"

@tool
async def look_up(room: str) -> str:
    """Look whether a room is free; this changes nothing."""
    note(room, "begun")
    await asyncio.sleep(0.05)
    note(room, "done")
    return f"free: {room}"
'''
)
ROOMS = {"tools/rooms.py": BOOK}


async def _at_some_moment(scene: Scene, millis: Caller, n: int, share: float) -> str:
    """Ask for a room, and come to a moment before or, of every other trial, in the tool."""
    room = f"room {n:02}"
    for question in (f"{room}.", f"{room}!"):
        await scene.script(asking(tool_call("book", room=room)), {"say": "It is."}, match=question)
    await millis.ask(1, f"{room}.")
    if n % 2:
        await came_true(lambda: noted(scene.house.folder, room))
    await asyncio.sleep(share * 0.06)
    return room


def _once(scene: Scene, room: str) -> bool:
    """Whether it was booked; not more than once, and not by half."""
    done = noted(scene.house.folder, room)
    assert done in ([], ["begun", "done"]), room
    return bool(done)


@case("D5", "a booking that the caller speaks over is made once and on record", files=ROOMS)
async def spoken_over(scene: Scene) -> None:
    many = trials(60, 6)
    async with asyncio.TaskGroup() as tasks:
        for n in range(many):
            tasks.create_task(_spoken_over(scene, n, n / many))
    for n in range(many):
        room = f"room {n:02}"
        (call,) = await scene.ended(room)
        runs = [run for run in call.every_tool_run() if run.arguments == {"room": room}]
        assert [run.outcome for run in runs if run.result == f"booked {room}"] == ["ok"]
        assert _once(scene, room), "it was begun, or the caller repeated it"


async def _spoken_over(scene: Scene, n: int, share: float) -> None:
    millis = await scene.call(f"room {n:02}")
    room = await _at_some_moment(scene, millis, n, share)
    await millis.interrupt(1)
    await millis.settled()
    if not millis.ended(1):  # else it has been told, and would be booked again
        assert await millis.asked(2, f"{room}.", "Well", f"{room}!") == "It is."
    await millis.hang_up()


@case(
    "D5",
    "what only reads is stopped when the caller speaks",
    files=ROOMS,
    tools={"look_up": {"read_only": True}},
)
async def stopped(scene: Scene) -> None:
    await scene.script(asking(tool_call("look_up", room="blue")), match="blue.")
    millis = await scene.call("blue")
    await millis.ask(1, "blue.")
    await came_true(lambda: noted(scene.house.folder, "blue"))
    await millis.interrupt(1)
    await millis.asked(2, "blue.", "Well", "never mind")
    await millis.hang_up()
    (call,) = await scene.ended("blue")
    assert [run.outcome for run in call.every_tool_run()] == ["cancelled"]
    assert noted(scene.house.folder, "blue") == ["begun"]


@case("D6", "a booking outlives the caller who hangs up", files=ROOMS)
async def hung_up(scene: Scene) -> None:
    many = trials(60, 6)
    async with asyncio.TaskGroup() as tasks:
        for n in range(many):
            tasks.create_task(_hung_up(scene, n, n / many))
    for n in range(many):
        room = f"room {n:02}"
        (call,) = await scene.ended(room)
        outcomes = [run.outcome for run in call.every_tool_run()]
        assert outcomes == (["ok"] if _once(scene, room) else []), room


async def _hung_up(scene: Scene, n: int, share: float) -> None:
    millis = await scene.call(f"room {n:02}")
    await _at_some_moment(scene, millis, n, share)
    await millis.hang_up()
