"""A12–A14: what is written in frames that can be read, and how much of it."""

from typing import Any

import orjson

from tests.faults.cases.frames import MIB, request
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.wire import PING, PONG, came_true, raw_frame


@case("A12", "half of a surrogate pair is replaced everywhere")
async def surrogates(scene: Scene) -> None:
    call = await _told(scene, r"a\ud800b", "a\ufffdb")
    assert (call.session_id, call.timeline[-1].asked) == ("a\ufffdb", "a\ufffdb")
    assert (call.metadata or {}) == {"name": "a\ufffdb", "a\ufffdb": ["a\ufffdb"]}


@case("A13", "NUL is replaced where it is written, and dropped where it stands")
async def nul(scene: Scene) -> None:
    for written, read in ((r"c\u0000d", "c\ufffdd"), ("e\0f", "ef"), ("g\\u00\x0000h", "g\ufffdh")):
        call = await _told(scene, written, read)
        assert (call.session_id, call.timeline[-1].asked) == (read, read)


async def _told(scene: Scene, written: str, read: str) -> Any:
    """Say something in every place of a call, of which the model reads this; what is on record."""
    millis = await scene.dial()
    start = {"stream_id": 0, "session_id": "@", "metadata": {"name": "@", "@": ["@"]}}
    text = orjson.dumps({"type": "start_call", "data": start}).decode()
    await millis.send(text.replace("@", written))
    await millis.answer(0)
    await millis.send(request(1, "@").replace("@", written))
    await millis.answer(1)
    asked = (await scene.openai.requests())[-1]["body"]["messages"][-1]["content"]
    assert asked == read
    await millis.hang_up()
    (call,) = await scene.ended(read)
    return call


@case("A14", "twenty mebibytes of empty objects do not hold the other calls")
async def heavy(scene: Scene) -> None:
    frame = raw_frame(("[" + "{}," * (MIB // 3 - 9) + "{}]").encode())
    for _ in range(20):
        raw = await scene.dial_raw()
        raw.writer.write(frame)
        raw.send("", PING)
        assert await raw.next() == (PONG, b"")
    await came_true(lambda: scene.drops["too_many_items"] == 20)
