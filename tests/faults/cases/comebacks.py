"""B6: a call whose line is lost, and that comes back on another."""

from tests.faults.cases.transport import STALLED
from tests.faults.chaos import Chaos
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.wire import asking, tool_call

BOOK = '''
import asyncio
from langchain_core.tools import tool

@tool
async def reserve_room(room: int) -> str:
    """Reserve a room."""
    RAN.append(room)
    return f"booked {room}, the {len(RAN)}. time"

RAN = []
'''


@case(
    "B6",
    "a call whose line is lost goes on where it was and nothing is done again",
    files={"tools/rooms.py": BOOK},
)
async def comes_back(scene: Scene) -> None:
    async with Chaos(scene.bridge.port) as line:
        lost = await scene.call("back", at=line)
        await scene.script(asking(tool_call("reserve_room", room=7)), {"say": "It is booked."})
        assert await lost.asked(1, "book room 7") == "It is booked."
        await scene.script(STALLED)
        await lost.ask(2, "book room 7", "It is booked.", "which room?")
        await lost.first_word(2)
        line.reset()
        await scene.openai.wait("client_left")
        await scene.ended("back")
        millis = await scene.dial()
        await millis.start(0, "back")
        assert await millis.answer(0) == "", "a second greeting"
        await scene.script({"say": "Room 7."})
        again = await millis.asked(1, "book room 7", "It is booked.", "which room?")
        assert again == "Room 7."
    read = (await scene.openai.requests())[-1]["body"]["messages"]
    told = [message["content"] for message in read if message["role"] == "tool"]
    assert told == ["booked 7, the 1. time"]
