"""A1–A14: frames that cannot be used, or only in part."""

from tests.faults.registry import case
from tests.faults.scene import Scene


@case("A1", "what is no JSON is dropped and the call goes on")
async def junk(scene: Scene) -> None:
    millis = await scene.call()
    for frame in ("", "hello", "\ufeff{}", '{"type":"interrupt"}x', "[" * 9_000):
        await millis.send(frame)
    assert await millis.asked(1, "hello") == "You said: hello"
    await scene.dropped(not_json=5)
