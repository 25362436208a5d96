"""F1–F12: stopping, memory, the clock, probes, and a log that nobody reads."""

import asyncio
import resource
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.faults.cases.stores import held
from tests.faults.preloaded import preloaded
from tests.faults.process import limited, process, stopped
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.trials import trials
from tests.wire import Listening, Served

STALLED = [{"text": "Well"}, {"stall": True}]


@case("F1", "no turn is cut by SIGTERM and no new call is let in", long=True)
async def drained(scene: Scene) -> None:
    answer = [{"text": "one "}, {"sleep_ms": 500}, {"text": "two"}, {"finish": "stop"}]
    await scene.script({"steps": [*answer, {"done": True}], "times": 20}, match="drain")
    async with process(scene, BRIDGE_DRAIN_TIMEOUT="20") as bridge:
        callers = [await scene.call(at=bridge) for _ in range(20)]
        for number, millis in enumerate(callers):
            await millis.ask(1, f"drain {number:02}.")
        for millis in callers:
            await millis.first_word(1)
        bridge.process.send_signal(signal.SIGTERM)
        while await _probed(bridge, "/readyz") != 503:
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await scene.dial(at=bridge)
        scene.tapes.pop()  # it has never been a call
        assert refused.value.status == 503
        for number, millis in enumerate(callers):
            assert await millis.answer(1) == "one two"
            line = f"after {number:02}."
            assert (await millis.asked(2, line)).endswith(line)
            await millis.hang_up()
        assert await stopped(scene, bridge, signal.SIGCONT) == 0


@case("F2", "SIGINT says goodbye at once and the record is written", long=True)
async def told_to_stop_now(scene: Scene) -> None:
    await scene.script(STALLED, match="stall")
    async with process(scene, BRIDGE_DRAIN_TIMEOUT="600") as bridge:
        speaking, silent = await scene.call("cut", at=bridge), await scene.call(at=bridge)
        await speaking.ask(1, "stall.")
        await speaking.first_word(1)
        for _ in range(2):
            bridge.process.send_signal(signal.SIGINT)
        for millis in (speaking, silent):
            assert await millis.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert await stopped(scene, bridge, signal.SIGCONT) == 0
    (call,) = await scene.ended("cut")
    assert call.ending == "server_stopped"


@case("F11", "probes are answered while the model hangs and the database is held")
async def probes(scene: Scene) -> None:
    count = trials(100, 20)
    await scene.script({"steps": STALLED, "times": count}, match="stall")
    callers = [await scene.call() for _ in range(count)]
    for number, millis in enumerate(callers):
        await millis.ask(1, f"stall {number:03}.")
    for millis in callers:
        await millis.first_word(1)
    with held(scene):
        for path in ("/healthz", "/readyz", "/metrics") * 3:
            assert await _probed(scene.bridge, path) == 200  # nothing of it can have ended
        for millis in callers:
            assert not millis.ended(1)
    for millis in callers:
        await millis.interrupt(1)
    await scene.openai.wait("client_left", count)


async def _probed(bridge: Listening, path: str) -> int:
    url = f"http://127.0.0.1:{bridge.port}{path}"
    async with asyncio.timeout(5), aiohttp.ClientSession() as http, http.get(url) as response:
        await response.read()
        return response.status


@case(
    "F12",
    "calls go on while nobody reads the log and it says later that lines were lost",
    long=True,
)
async def unread_log(scene: Scene) -> None:
    async with process(scene, BRIDGE_LOG_LEVEL="debug") as bridge:
        assert bridge.process.stderr is not None
        unread = bridge.process.stderr._transport  # type: ignore[attr-defined]
        unread.pause_reading()
        millis = await scene.call(at=bridge)
        for frame in range(4000):  # each is a line
            await millis.send(f"no JSON {frame}")
            if not frame % 100:
                await millis.settled()
        assert (await millis.asked(1, "hello")) == "You said: hello"
        await millis.hang_up()
        unread.resume_reading()
        assert await stopped(scene, bridge) == 0
    assert any("log lines were lost" in line for line in scene.house.log.getvalue().splitlines())


YEARS = 10 * 365 * 24 * 3600
HOUR = 3600


@case("F8", "no timer fires or hangs when the clock is set and durations are right", long=True)
async def clock(scene: Scene) -> None:
    answer = [{"text": "one "}, {"sleep_ms": 300}, {"text": "two"}, {"finish": "stop"}]
    with preloaded(scene.house.folder) as world:
        async with process(scene, BRIDGE_FILLER_AFTER="1.5", **world.variables) as bridge:
            millis = await scene.call("clock", at=bridge)
            for turn, shift in enumerate((YEARS, -HOUR, HOUR, 0), start=1):
                await scene.script([*answer, {"done": True}], match=f"set {turn}.")
                await millis.ask(turn, f"set {turn}.")
                await millis.first_word(turn)
                world.be(clock=shift)
                assert await millis.answer(turn) == "one two"
            await millis.hang_up()
            assert await stopped(scene, bridge) == 0
    (call,) = await scene.ended("clock")
    took = [turn.last_frame_ms for turn in call.timeline[1:]]
    assert all(each is not None and 200 < each < 20_000 for each in took), took
    at = [turn.at_ms for turn in call.timeline]
    assert at == sorted(at)
    assert at[-1] < 60_000
    years = {line["timestamp"][:4] for line in scene.log}
    assert len(years) > 1, "the clock was not set: this proves nothing"


def _resident(bridge: Served) -> int:
    """Bytes of memory that it holds."""
    status = Path(f"/proc/{bridge.process.pid}/status").read_text().splitlines()
    (kib,) = [line.split()[1] for line in status if line.startswith("VmRSS")]
    return int(kib) * 1024


@case("F6", "the memory of a call does not grow with what was said already", long=True)
async def long_call(scene: Scene) -> None:
    half = trials(500, 50)
    said: list[str] = []
    async with process(scene, BRIDGE_LOG_LEVEL="error") as bridge:
        millis = await scene.call(at=bridge)
        held = []
        for turn in range(1, 2 * half + 1):
            line = f"This is line {turn} of a long call, and not the last one."
            said += [line, await millis.asked(turn, *said, line)]
            if not turn % half:
                held.append(_resident(bridge))
        await millis.hang_up()
        assert await stopped(scene, bridge) == 0
    assert held[1] - held[0] < 4 << 20, held


@case(
    "F7",
    "short calls leave no memory behind",
    without={"O9": "the house looks at five hundred calls on record, and these are thousands"},
    long=True,
)
async def short_calls(scene: Scene) -> None:
    count = trials(1000, 50)
    async with process(scene, BRIDGE_LOG_LEVEL="error") as bridge:
        held = []
        for wave in range(3):
            for number in range(count):
                millis = await scene.call(at=bridge)
                line = f"wave {wave} call {number}."
                assert (await millis.asked(1, line)).endswith(line)
                await millis.hang_up()
            held.append(_resident(bridge))
        assert await stopped(scene, bridge) == 0
    assert held[2] - held[1] < 1024 * count, held


@case(
    "F5",
    "what a process without memory has ended is on record and it starts again",
    without=dict.fromkeys(
        ("O1", "O3", "O7", "O9", "O10"), "a process without memory need not answer"
    ),
    long=True,
)
async def no_memory(scene: Scene) -> None:
    async with process(scene, BRIDGE_LOG_LEVEL="error") as bridge:
        millis = await scene.call("memory", at=bridge)
        assert (await millis.asked(1, "hello")) == "You said: hello"
        heard = {0, 1}
        limited(bridge, resource.RLIMIT_AS, 1 << 20)  # not a page more
        for turn in range(2, trials(60, 20)):
            try:
                async with asyncio.timeout(1):
                    await millis.ask(turn, f"word {turn} " * 20_000)
                    while not millis.ended(turn):
                        await millis.next()
            except (ConnectionError, TimeoutError):
                break
            heard.add(turn)
        else:
            raise AssertionError("it had memory enough: this proves nothing")
        await stopped(scene, bridge, signal.SIGKILL)
    async with process(scene, BRIDGE_LOG_LEVEL="error") as bridge:
        (call,) = await scene.ended("memory")
        assert call.ending in {"aborted", "hung_up"}
        assert heard <= {int(turn.stream_id) for turn in call.timeline}
        assert await (await scene.call(at=bridge)).asked(1, "hello") == "You said: hello"
