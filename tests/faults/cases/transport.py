"""B1–B5: lines that break, fall silent, or are slow, and peers that do not listen."""

import asyncio
import socket
from contextlib import suppress

import orjson

from tests.faults.cases.frames import request
from tests.faults.chaos import SILENT, Chaos, Weather
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import RawCaller
from tests.faults.trials import FULL, trials
from tests.wire import CLOSE, PING, PONG, came_true

MIB = 1 << 20
STALLED = [{"text": "Well"}, {"stall": True}]


def tracebacks(scene: Scene) -> list[object]:
    """What was logged with an exception."""
    return [line for line in scene.log if "exception" in line]


@case("B1", "an answer whose line is reset stops and the record says so")
async def reset(scene: Scene) -> None:
    await scene.script({"steps": STALLED, "times": 9}, match="reset")
    async with Chaos(scene.bridge.port) as line:
        for number in range(1, 4):
            millis = await scene.call(f"reset {number}", at=line)
            await millis.ask(1, f"reset {number}.")
            await millis.first_word(1)
            line.reset()
            await scene.openai.wait("client_left", number)
            (call,) = await scene.ended(f"reset {number}")
            assert (call.ending, call.timeline[-1].outcome) == ("hung_up", "hung_up")
    assert tracebacks(scene) == []


@case("B1", "an answer whose line is reset at any byte of it stops")
async def reset_anywhere(scene: Scene) -> None:
    for trial in range(trials(60, 5)):
        tokens = {"tokens": [f"w{trial}x{n} " for n in range(500)], "gap_ms": 1}
        await scene.script([tokens, {"stall": True}], match=f"cut {trial}.")
        async with Chaos(scene.bridge.port) as line:
            millis = await scene.call(f"cut {trial}", at=line)
            for link in line.links:
                link.be(down=Weather(reset_at=700 + 37 * trial))
            await millis.ask(1, f"cut {trial}.")
            with suppress(ConnectionError):
                while True:
                    await millis.next()
            await scene.openai.wait("client_left", trial + 1)
            (call,) = await scene.ended(f"cut {trial}")
            assert call.timeline[-1].outcome == "hung_up"
    assert tracebacks(scene) == []


@case("B1", "an answer whose caller hangs up stops and the record says so")
async def hung_up(scene: Scene) -> None:
    await scene.script({"steps": STALLED, "times": 9}, match="close")
    for number, code in enumerate((1000, 1001, 3000), start=1):
        millis = await scene.call(f"close {number}")
        await millis.ask(1, f"close {number}.")
        await millis.first_word(1)
        millis.tape.note("closed", "us")
        await millis.socket.close(code=code)
        await scene.openai.wait("client_left", number)
        (call,) = await scene.ended(f"close {number}")
        assert (call.ending, call.timeline[-1].outcome) == ("hung_up", "hung_up")
    assert tracebacks(scene) == []


@case("B2", "a connection that is open on our side only is ended", heartbeat=0.8)
async def half_open(scene: Scene) -> None:
    await scene.script(STALLED)
    async with Chaos(scene.bridge.port) as line:
        millis = await scene.call("half", at=line)
        await millis.ask(1, "hello")
        await millis.first_word(1)
        line.be(up=SILENT, down=SILENT)
        await scene.openai.wait("client_left")
        (call,) = await scene.ended("half")
        assert call.timeline[-1].outcome == "hung_up"
        assert len(scene.bridge.board.live) == 1  # the control call answers pings


@case("B2", "a line that is silent for less than a heartbeat loses nothing")
async def silent_for_a_while(scene: Scene) -> None:
    await scene.script([{"text": "one "}, {"sleep_ms": 100}, {"text": "two"}, {"finish": "stop"}])
    async with Chaos(scene.bridge.port) as line:
        millis = await scene.call(at=line)
        await millis.ask(1, "count")
        await millis.first_word(1)
        line.be(up=SILENT, down=SILENT)
        await scene.openai.wait("finished")
        line.be()
        assert await millis.answer(1) == "one two"


@case(
    "B3",
    "a peer that does not read is cut off and little waits for it until then",
    send_timeout=0.3,
    max_answer_chars=10**9,
)
async def deaf(scene: Scene) -> None:
    flood = {"tokens": ["blah blah blah. " * 250] * 400}
    await scene.script([flood, {"stall": True}], match="flood")
    known = set(scene.bridge.board.live)
    raw = await scene.dial_raw(window=4096)
    (outbox,) = scene.bridge.board.live - known
    transport = outbox._transport
    assert transport is not None
    # The system takes in megabytes for a peer of this machine, which is not what is looked at.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    raw.send(request(1, "flood"))
    most = 0

    def is_cut_off() -> bool:
        nonlocal most
        most = max(most, transport.get_write_buffer_size())
        return len(scene.bridge.board.live) == 1

    await came_true(is_cut_off)
    await scene.openai.wait("client_left")
    assert 0 < most < MIB
    assert tracebacks(scene) == []


@case("B3", "a peer that only pings and never reads is cut off", send_timeout=0.3)
async def pings_unread(scene: Scene) -> None:
    raw = await scene.dial_raw(window=4096)
    raw.send('{"type":"interrupt"}')
    flooding = asyncio.create_task(_ping_until_cut_off(raw), name="flood of pings")
    await came_true(lambda: len(scene.bridge.board.live) == 1)
    await asyncio.wait({flooding})
    flooding.result()


async def _ping_until_cut_off(raw: RawCaller) -> None:
    with suppress(ConnectionError):
        while True:
            raw.send("x" * 125, PING)
            await raw.writer.drain()


LATE = 0.3 if FULL else 0.05
BAD_LINES = {
    "late": (Weather(latency=LATE, jitter=LATE / 2), Weather(latency=LATE, jitter=LATE / 2)),
    "sliced": (Weather(slices=1), Weather(slices=1)),
    "slow": (Weather(rate=16_000), Weather(rate=16_000)),
    "all of it": (
        Weather(latency=LATE / 3, jitter=LATE / 3, slices=3, rate=16_000),
        Weather(latency=LATE / 3, jitter=LATE / 3, slices=5, rate=16_000),
    ),
}


@case("B4", "on a bad line all is right and only slower")
async def bad_lines(scene: Scene) -> None:
    long_answer = {"tokens": [f"number {n} " for n in range(60)], "gap_ms": 2}
    for what in BAD_LINES:
        await scene.script([long_answer, {"finish": "stop"}, {"done": True}], match=f"{what} 1.")
        await scene.script(STALLED, match=f"{what} 2.")
        await scene.script({"say": f"Well on a line that is {what}."}, match=f"{what} 3.")
    async with asyncio.TaskGroup() as tasks:
        for number, what in enumerate(BAD_LINES):
            tasks.create_task(_talked_on(scene, what, number))


async def _talked_on(scene: Scene, what: str, seed: int) -> None:
    up, down = BAD_LINES[what]
    async with Chaos(scene.bridge.port, up=up, down=down, seed=seed) as line:
        millis = await scene.call(at=line)
        answer = await millis.asked(1, f"{what} 1.")
        assert answer.split() == [w for n in range(60) for w in ("number", str(n))], what
        await millis.ask(2, f"{what} 1.", answer, f"{what} 2.")
        await millis.first_word(2)
        await millis.interrupt(2)
        answer = await millis.asked(3, f"{what} 2.", "Well", f"{what} 3.")
        assert answer == f"Well on a line that is {what}."
        assert not millis.ended(2)
        await millis.hang_up()


@case("B5", "pongs come while the model keeps us waiting")
async def pings(scene: Scene) -> None:
    await scene.script([{"stall": "unanswered"}])
    raw = await scene.dial_raw()
    raw.send(request(1))
    await scene.openai.wait("request_started")
    for number in range(trials(1000, 100)):
        raw.send(str(number), PING)
        assert await raw.next() == (PONG, str(number).encode())
    raw.send(orjson.dumps({"type": "interrupt", "stream_id": 1}).decode())
    await scene.openai.wait("client_left")


@case(
    "B5",
    "a peer that never answers a close is not waited for",
    first_message_timeout=0.2,
    send_timeout=0.3,
)
async def close_unanswered(scene: Scene) -> None:
    raw = await scene.dial_raw()
    opcode, payload = await raw.next()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, 1008)
    await came_true(lambda: len(scene.bridge.board.live) == 1)
    assert await raw.reader.read() == b""  # the connection is gone, too
