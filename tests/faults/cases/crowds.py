"""B7–B10: more connections than there are calls, places, or descriptors."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from tests.faults.house import PATH
from tests.faults.process import descriptors, limited, process
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.server.metered import metrics
from tests.wire import came_true

ECHO = "You said: hello"


@case("B7", "idle calls hold their lines and hold up nobody", heartbeat=trials(4, 1))
async def idle(scene: Scene) -> None:
    count, answered = trials(200, 30), set[int]()

    async def hold(millis: Caller, number: int) -> None:
        await millis.pinged(1)
        line = f"call {number:03}."
        assert (await millis.asked(1, line)).endswith(line)
        answered.add(number)
        await millis.pinged(10**6)  # until it is cancelled

    # All at once: their heartbeats come as close together as they ever do.
    callers = await asyncio.gather(*(scene.call() for _ in range(count)))
    tasks = [asyncio.create_task(hold(millis, n)) for n, millis in enumerate(callers)]
    try:
        await came_true(lambda: len(answered) == count)
        assert len(scene.bridge.board.live) == count + 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def half_handshakes(port: int, count: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections on which a request is begun, and never ended."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Slow: ".encode())
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()
        for writer in writers:
            with suppress(OSError):
                await writer.wait_closed()


@case("B8", "callers get through beside half handshakes and connections that come and go")
async def crowd(scene: Scene) -> None:
    count = trials(3000, 300)
    async with half_handshakes(scene.bridge.port, count) as writers:
        for number in range(3):
            for writer in writers:
                writer.write(b"x")  # drop by drop
            async with half_handshakes(scene.bridge.port, count // 3):
                pass  # they come and go
            millis = await scene.call()
            assert (await millis.asked(1, f"crowd {number}.")).endswith(f"crowd {number}.")


@case("B9", "one call too many is refused before the upgrade and the others go on", max_calls=3)
async def too_many(scene: Scene) -> None:
    first, second = await scene.call(), await scene.call()  # the control call is the third
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await scene.dial()
    assert refused.value.status == 503
    scene.tapes.pop()  # it has never been a call
    assert scene.bridge.board.refused == {"full": 1}
    assert (await metrics(scene.bridge)).value("calls_refused_total", reason="full") == 1
    assert await first.asked(1, "hello") == ECHO
    await second.hang_up()
    await came_true(lambda: len(scene.bridge.board.live) == 2)
    third = await scene.call()
    assert await third.asked(1, "hello") == ECHO


@case("B10", "without a descriptor live calls go on and new ones come once there is one", long=True)
async def no_descriptors(scene: Scene) -> None:
    async with process(scene, BRIDGE_LOG_LEVEL="warning") as bridge:
        millis = await scene.call(at=bridge)
        assert await millis.asked(1, "before.") == "You said: before."
        most = descriptors(bridge) + 6
        before = limited(bridge, resource.RLIMIT_NOFILE, most)
        async with half_handshakes(bridge.port, 40):
            await came_true(lambda: descriptors(bridge) >= most - 1)
            assert (await millis.asked(2, "beside it.")).endswith("beside it.")
        limited(bridge, resource.RLIMIT_NOFILE, before)
        other = await scene.call(at=bridge)  # asyncio tries again once a second
        assert (await other.asked(1, "after it.")).endswith("after it.")
        assert (await millis.asked(3, "after it, too.")).endswith("after it, too.")
        for caller in (millis, other):
            await caller.hang_up()
