"""A23–A28: newer requests, and callers who speak while they are spoken to."""

import asyncio
import random
from typing import Any

from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import asking, tool_call

ECHO = "You said: hello"
STALLED: list[dict[str, Any]] = [{"text": "Well"}, {"stall": True}]


@case("A23", "a newer request silences the older one and is answered")
async def newer_request(scene: Scene) -> None:
    await scene.script(STALLED, match="apple")
    millis = await scene.call()
    await millis.ask(1, "apple")
    await millis.first_word(1)
    assert (await millis.asked(2, "apple", "Well", "banana")).endswith("banana")
    await scene.openai.wait("client_left")
    assert not millis.ended(1)


GAPS = (1, 5, 20)
"""Milliseconds between two tokens."""


@case("A24", "no interrupt is lost at any offset and token gap")
async def any_offset(scene: Scene) -> None:
    for gap in GAPS:
        tokens = {"tokens": [f"w{n} " for n in range(200)], "gap_ms": gap}
        await scene.script(
            {"steps": [tokens, {"stall": True}], "times": 10**6}, match=f"gap {gap}."
        )
    calls = trials(20, 4)
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            millis = await scene.call()
            tasks.create_task(_interrupted_often(millis, random.Random(number)))  # noqa: S311


async def _interrupted_often(millis: Caller, chance: random.Random) -> None:
    for trial in range(trials(30, 9)):
        gap, stream_id = GAPS[trial % len(GAPS)], trial + 1
        await millis.ask(stream_id, f"gap {gap}.")
        await _heard_for(millis, chance.uniform(0, 0.005 + 4 * gap / 1000))
        assert not millis.ended(stream_id), "it was over before: this proves nothing"
        await millis.interrupt(stream_id)
        await millis.settled()
        heard = len(millis.of(stream_id))
        await millis.settled()
        assert len(millis.of(stream_id)) == heard


async def _heard_for(millis: Caller, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while True:
                await millis.next()
    except TimeoutError:
        return


@case("A25", "an interrupt for another stream than the current one changes nothing")
async def stale_interrupts(scene: Scene) -> None:
    await scene.script([{"text": "one "}, {"sleep_ms": 50}, {"text": "two"}, {"finish": "stop"}])
    millis = await scene.call()
    await millis.interrupt(0)  # the greeting, which is over
    await millis.ask(5, "count")
    await millis.first_word(5)
    for stream_id in (0, 4, 6, -1, 2**63 - 1, "4"):
        await millis.interrupt(stream_id)
    assert await millis.answer(5) == "one two"
    await millis.interrupt(5)
    assert (await millis.asked(6, "count", "one two", "hello")).endswith("hello")


INTERRUPTS: list[dict[str, object]] = [
    {"type": "interrupt", "stream_id": 1},
    {"type": "interrupt", "stream_id": "1"},
    {"type": "interrupt", "data": {"stream_id": 1}},
    {"type": "interrupt"},
    {"type": "interrupt", "data": None},
]


@case("A26", "every shape of an interrupt silences the answer")
async def shapes(scene: Scene) -> None:
    for number, interrupt in enumerate(INTERRUPTS, start=1):
        await scene.script(STALLED)
        millis = await scene.call()
        await millis.ask(1, "hello")
        await millis.first_word(1)
        await millis.send(interrupt)
        await scene.openai.wait("client_left", number)
        assert not millis.ended(1)


BOOK = '''
import asyncio
from langchain_core.tools import tool

@tool
async def book(room: int) -> str:
    """Book a room."""
    await asyncio.sleep(0.04)
    return "booked"
'''


@case(
    "A27",
    "nothing follows an interrupt before the first word nor during a tool nor before the end",
    files={"tools/rooms.py": BOOK},
)
async def any_moment(scene: Scene) -> None:
    count = trials(101, 21)
    async with asyncio.TaskGroup() as tasks:
        for trial in range(count):
            question = f"trial {trial:03}."
            slow = [{"sleep_ms": 30}, *asking(tool_call("book", room=trial), say="One moment.")]
            told = [{"sleep_ms": 20}, {"text": "Done."}, {"sleep_ms": 60}, {"finish": "stop"}]
            await scene.script(slow, [*told, {"done": True}], match=question)
            await scene.script({"say": "Yes."}, match=f"still there {trial:03}?")
            millis = await scene.call()
            offset = trial / (count - 1) * trials(500, 200) / 1000
            tasks.create_task(_interrupted_once(millis, question, offset))


async def _interrupted_once(millis: Caller, question: str, offset: float) -> None:
    await millis.ask(1, question)
    await _heard_for(millis, offset)
    over = millis.ended(1)
    await millis.interrupt(1)
    await millis.settled()
    heard = len(millis.of(1))
    await _heard_for(millis, 0.3)  # in which all the rest of it would have come
    if not over:
        assert "sorry" not in millis.said(1).lower(), "an interrupt is no failure"
    again = question.replace("trial ", "still there ").replace(".", "?")
    assert await millis.asked(2, question, "One moment.", again) == "Yes."
    assert len(millis.of(1)) == heard


@case("A28", "a storm of interrupts leaves the last request answered")
async def storm(scene: Scene) -> None:
    millis, count = await scene.call(), trials(1000, 200)
    for turn in range(1, count):
        await millis.ask(turn, f"turn {turn}")
        await millis.interrupt(turn)
        await millis.interrupt(turn - 1)
        if not turn % 50:
            await millis.settled()
    for number in range(count):
        await millis.interrupt()
        if not number % 50:
            await millis.settled()  # each is written at once, and would hold the loop on our side
    assert (await millis.asked(count, "and now?")).endswith("and now?")
    assert {message["stream_id"] for message in millis.got} == {0, count}
