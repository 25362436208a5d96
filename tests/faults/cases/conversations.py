"""A15–A22, A29–A32: requests, starts and sockets that do not come as they should."""

import sqlite3
from contextlib import closing

import aiohttp

from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import asking, tool_call

ECHO = "You said: hello"
REPROMPT = "Sorry, I didn't catch that. Could you say it again?"
GREETING = "Hello, how can I help you?"
USER = {"role": "user", "content": "hello"}
THEM = {"role": "assistant", "content": "Hi!"}

TRANSCRIPTS: list[tuple[object, str]] = [
    ([], REPROMPT),
    (None, REPROMPT),
    ("hello", REPROMPT),
    ([THEM], REPROMPT),
    ([USER, THEM], REPROMPT),
    ([{"role": "user", "content": None}], REPROMPT),
    ([{"role": "user", "content": "  "}], REPROMPT),
    ([{"role": "system", "content": "obey"}], REPROMPT),
    ([THEM, USER], ECHO),
    ([USER, {"role": "tool", "content": "42"}], ECHO),
    ([USER, {"role": "user", "content": None}], ECHO),
    ([{"role": "user", "content": [{"type": "text", "text": "hello"}]}], ECHO),
    ([{"role": ["user"], "content": "x"}, 7, None, [USER], USER], ECHO),
]


@case("A15", "any transcript is answered or asked about again")
async def transcripts(scene: Scene) -> None:
    for transcript, answer in TRANSCRIPTS:
        millis = await scene.dial()
        data = {"stream_id": 1, "transcript": transcript}
        await millis.send({"type": "stream_request", "data": data})
        assert (await millis.answer(1)).strip() == answer, transcript


@case("A16", "a request needs no start and a late start greets nobody")
async def late_start(scene: Scene) -> None:
    millis = await scene.dial()
    assert await millis.asked(3, "hello") == ECHO
    await millis.start(9, "late", metadata={"name": "Ann"})
    assert await millis.asked(10, "hello", ECHO, "again") == "You said: again"
    assert millis.of(9) == []
    await millis.hang_up()
    (call,) = await scene.ended("late")
    assert call.metadata == {"name": "Ann"}
    assert [turn.asked for turn in call.timeline] == ["hello", "again"]


@case("A17", "a start told twice greets once")
async def start_twice(scene: Scene) -> None:
    millis = await scene.call("twice")
    await millis.start(1, "twice")
    assert await millis.asked(2, "hello") == ECHO
    assert millis.of(1) == []
    await millis.hang_up()
    assert len(await scene.ended("twice")) == 1


@case("A18", "another session on the same socket is another call")
async def another_session(scene: Scene) -> None:
    millis = await scene.call("first")
    await millis.asked(1, "apple")
    await millis.start(5, "second")
    assert await millis.answer(5) == GREETING
    assert await millis.asked(6, "banana") == "You said: banana"
    (first,) = await scene.ended("first")
    assert (first.ending, [turn.asked for turn in first.timeline]) == ("replaced", ["", "apple"])
    await millis.hang_up()
    (second,) = await scene.ended("second")
    assert [turn.asked for turn in second.timeline] == ["", "banana"]


@case("A19", "a start that waits for the database delays no answer")
async def slow_database(scene: Scene) -> None:
    millis = await scene.dial()
    with closing(sqlite3.connect(scene.house.database)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else may write
        await millis.start(0, "slow", session_continuation={"session_id": "earlier"})
        await millis.ask(1, "hello")
        assert await millis.answer(1) == ECHO
        other.rollback()
    await millis.hang_up()
    (call,) = await scene.ended("slow")
    assert [turn.asked for turn in call.timeline][-1] == "hello"


@case("A20", "the same id again while it is answered is ignored")
async def same_id_running(scene: Scene) -> None:
    await scene.script([{"text": "Well"}, {"sleep_ms": 50}, {"text": " done."}, {"finish": "stop"}])
    millis = await scene.call()
    await millis.ask(1, "hello")
    await millis.first_word(1)
    await millis.ask(1, "hello")
    assert await millis.answer(1) == "Well done."
    await millis.settled()
    assert millis.endings(1) == 1
    assert scene.drops == {"duplicate": 1}
    assert len(await scene.openai.requests()) == 1


@case("A21", "the same id after its end is answered only to other words")
async def same_id_ended(scene: Scene) -> None:
    millis = await scene.call()
    await millis.asked(5, "hello")
    await millis.ask(5, "hello")
    await millis.settled()
    assert millis.endings(5) == 1
    assert scene.drops == {"duplicate": 1}
    await millis.ask(5, "hello", ECHO, "new")
    while millis.endings(5) < 2:
        await millis.next()
    assert millis.said(5) == f"{ECHO}You said: new"


@case("A22", "an id below the current one is ignored")
async def lower_id(scene: Scene) -> None:
    millis = await scene.call()
    await millis.asked(5, "hello")
    await millis.ask(4, "too late")
    await millis.settled()
    assert millis.of(4) == []
    assert scene.drops == {"stale": 1}


async def _played(millis: Caller, stream_id: object, session: str = "elsewhere") -> None:
    data = {"session_id": session, "stream_id": stream_id}
    await millis.send({"type": "playback_finished", "data": data})


@case("A29", "playback that nobody knows of changes nothing")
async def unknown_playback(scene: Scene) -> None:
    await scene.script([{"text": "one "}, {"sleep_ms": 50}, {"text": "two"}, {"finish": "stop"}])
    millis = await scene.call()
    await millis.ask(1, "count")
    await millis.first_word(1)
    for stream_id in (1, 1, 99, -5, "1"):
        await _played(millis, stream_id)
    assert await millis.answer(1) == "one two"
    assert scene.drops == {}


@case("A29", "a call ends though its goodbye is never played", goodbye_timeout=0.2)
async def playback_that_never_comes(scene: Scene) -> None:
    await scene.script(asking(tool_call("end_call")), {"say": "Goodbye then."})
    millis = await scene.call()
    await millis.ask(1, "bye")
    assert await millis.answer(1) == "Goodbye then."
    assert (await millis.next())["type"] == "end_call"


@case("A30", "a flood of partial transcripts asks no model and is not kept one by one")
async def partials(scene: Scene) -> None:
    millis = await scene.call("flood")
    odd: list[dict[str, object]] = [{"is_final": False}, {}, {"is_final": "maybe"}]
    count = trials(30_000, 1_000)
    for number in range(count):
        data = {"session_id": "flood", "transcript": f"word {number}", **odd[number % 3]}
        await millis.send({"type": "partial_transcript", "data": data})
        if not number % 100:
            await millis.settled()
    assert await millis.asked(1, "hello") == ECHO
    assert len(await scene.openai.requests()) == 1
    assert scene.drops == {}
    await millis.hang_up()
    (call,) = await scene.ended("flood")
    assert len(call.timeline) == 2


@case("A31", "a socket on which nothing is said is closed", first_message_timeout=0.2)
async def nothing_said(scene: Scene) -> None:
    for junk in ((), ("hello", "{}")):
        millis = await scene.dial()
        for frame in junk:
            await millis.send(frame)
        assert await millis.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION


@case("A31", "a call that has begun may be silent", first_message_timeout=0.1, heartbeat=0.5)
async def silent_call(scene: Scene) -> None:
    millis = await scene.call()
    await millis.pinged(2)  # longer than a socket is waited for that says nothing
    assert await millis.asked(1, "hello") == ECHO


@case("A32", "the newest of two sockets has the call and no words are mixed")
async def two_sockets(scene: Scene) -> None:
    await scene.script([{"text": "CHERRY"}, {"stall": True}], match="apple")
    first = await scene.call("same")
    await first.ask(1, "apple")
    await first.first_word(1)
    second = await scene.dial()
    await second.start(0, "same")
    assert await first.closed() != aiohttp.WSCloseCode.OK
    assert await second.asked(1, "banana") == "You said: banana"
    assert "CHERRY" not in second.said(1)
    await scene.openai.wait("client_left")
    assert not first.ended(1)
    await second.hang_up()
    assert {call.ending for call in await scene.ended("same", 2)} == {"replaced", "hung_up"}
