"""E3–E9: calls while the database is held by others, has no room, or is shared."""

import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.preloaded import preloaded
from tests.faults.process import limited, process, stopped
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import came_true, health, health_when

TURNS = trials(20, 4)


@contextmanager
def held(scene: Scene) -> Iterator[None]:
    """Have another program write to the database for as long: nobody else can."""
    other = sqlite3.connect(scene.house.database)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.rollback()
        other.close()


async def _talked(millis: Caller, name: str, turns: int = TURNS, since: int = 1) -> None:
    for turn in range(since, since + turns):
        line = f"{name}, line {turn}."
        assert (await millis.asked(turn, line)).endswith(line)


@case("E3", "a database that another program holds keeps nobody waiting and gets all of it")
async def held_by_another(scene: Scene) -> None:
    callers = [await scene.call(f"held {number}") for number in range(3)]
    with held(scene):
        for number, millis in enumerate(callers):
            await _talked(millis, f"Held {number}")
        await (late := await scene.call("late")).hang_up()  # begun and over meanwhile
        assert late.ended(0)
    for number, millis in enumerate(callers):
        await _talked(millis, f"Held {number}", since=TURNS + 1)
        await millis.hang_up()
        (call,) = await scene.ended(f"held {number}")
        assert [turn.outcome for turn in call.timeline] == ["complete"] * (2 * TURNS + 1)


@case(
    "E4",
    "what may not wait is lost and counted and the newest calls come first",
    without={"O9": "what this is about is that not all of it can be on record"},
    spool_limit_mb=1,
)
async def too_much_waits(scene: Scene) -> None:
    assert scene.bridge.recorder is not None
    words = "word " * 20_000
    with held(scene):
        for number in range(trials(60, 12)):
            millis = await scene.call(f"old {number}")
            assert (await millis.asked(1, f"Old {number}. {words}")).startswith("You said")
            await millis.hang_up()
        millis = await scene.call("newest")
        await _talked(millis, "Newest")
        await millis.hang_up()
        status = scene.bridge.recorder.status()
        assert status["lost"]["spool_full"] > 0
        assert status["spool_bytes"] <= 2 << 20
        assert (await health(scene.bridge))["record"]["lost"] == status["lost"]
    (call,) = await scene.ended("newest")
    assert len(call.timeline) == TURNS + 1


@case("E5", "on a disk without room calls go on and all of it is on record once there is some")
async def full_disk(scene: Scene) -> None:
    async with process(scene, BRIDGE_LOG_LEVEL="error") as bridge:
        millis = await scene.call("full", at=bridge)
        await _talked(millis, "Full")
        before = limited(bridge, resource.RLIMIT_FSIZE, 0)  # no file may grow or be written
        await _talked(millis, "Full", since=TURNS + 1)
        await health_when(bridge, lambda body: body["record"]["state"] != "ok")
        limited(bridge, resource.RLIMIT_FSIZE, before)
        await _talked(millis, "Full", since=2 * TURNS + 1)
        await health_when(bridge, lambda body: body["record"]["state"] == "ok")
        assert (await health(bridge))["record"]["lost"] == {}
        await millis.hang_up()
        assert await stopped(scene, bridge) == 0
    (call,) = await scene.ended("full")
    assert len(call.timeline) == 3 * TURNS + 1


@case(
    "E9",
    "a replica that was killed is cleared away by the next and no live call of another is",
    without={"O9": "of the last frame before a kill nothing need be on record but its turn"},
    long=True,
)
async def killed_beside_another(scene: Scene) -> None:
    ours = await scene.call("ours")
    async with process(scene) as bridge:
        killed = await scene.call("killed", at=bridge)
        await _talked(killed, "Killed")
        await scene.script([{"stall": "unanswered"}], match="last")
        await killed.ask(TURNS + 1, "The last one.")
        await scene.openai.wait("request_started", TURNS + 1)
        await _talked(ours, "Ours")
        await stopped(scene, bridge, signal.SIGKILL)
    async with process(scene) as bridge:
        theirs = await scene.call("theirs", at=bridge)
        await _talked(theirs, "Theirs")
        (call,) = await scene.ended("killed")
        assert (call.state, call.ending) == ("aborted", "aborted")
        assert [turn.outcome for turn in call.timeline][: TURNS + 1] == ["complete"] * (TURNS + 1)
        assert scene.bridge.recorder is not None
        (live,) = await scene.bridge.recorder.archive.call("ours")
        assert live.state == "live"
        await _talked(ours, "Ours", since=TURNS + 1)
        await theirs.hang_up()
    await ours.hang_up()
    check = sqlite3.connect(scene.house.database)
    try:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        check.close()
    await came_true(lambda: not any((scene.house.folder / "spool of own").iterdir()))


@case(
    "E6",
    "while reading and writing and syncing fail calls go on and are on record later",
    long=True,
)
async def failing_disk(scene: Scene) -> None:
    with preloaded(scene.house.folder) as world:
        async with process(scene, BRIDGE_LOG_LEVEL="error", **world.variables) as bridge:
            millis = await scene.call("failing", at=bridge)
            for number in range(TURNS):
                world.be(failures=300)
                await _talked(millis, "Failing", 3, since=1 + 4 * number)
                world.be()
                await _talked(millis, "Failing", 1, since=4 + 4 * number)
            await health_when(bridge, lambda body: body["record"]["state"] == "ok")
            assert (await health(bridge))["record"]["lost"] == {}
            assert world.failed, "nothing has failed: this proves nothing"
            await millis.hang_up()
            assert await stopped(scene, bridge) == 0
    (call,) = await scene.ended("failing")
    assert len(call.timeline) == 4 * TURNS + 1
