import asyncio
import json
from typing import Any

import pytest

from bridge.call.call import Call
from bridge.call.events import ToolBegun, ToolFinished, TurnBegan
from bridge.call.ledger import ToolUse
from bridge.call.ports import Voice
from bridge.call.toolruns import ToolRuns
from bridge.errors import AgentError
from bridge.protocol import Interrupt, Utterance, decode
from tests.doubles import APOLOGY, GREETING, REPROMPT, Line, Room, ScriptedAgent, until


def start(session: str = "s", stream_id: object = 1, **data: object) -> Any:
    body = {"stream_id": stream_id, "session_id": session, **data}
    return decode(json.dumps({"type": "start_call", "data": body}))


def request(stream_id: object, *said: str) -> Any:
    roles = ("user", "assistant")
    lines = [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]
    body = {"stream_id": stream_id, "transcript": lines}
    return decode(json.dumps({"type": "stream_request", "data": body}))


def interrupt(stream_id: int | None = None) -> Interrupt:
    return Interrupt(type="interrupt", stream_id=stream_id)


async def settle(room: Room, turns: int) -> None:
    await until(lambda: len(room.ended()) >= turns)


async def test_the_greeting_is_spoken_on_the_stream_of_start_call() -> None:
    room = Room(ScriptedAgent())
    call = room.call()

    call.hear(start(stream_id=0))
    await settle(room, 1)

    assert room.line.said(0) == GREETING
    assert room.line.endings(0) == 1
    assert room.agent.briefs == []
    await call.close()


async def test_a_request_is_answered_word_by_word_and_ended_once() -> None:
    room = Room(ScriptedAgent("It", " is", " five."))
    call = room.call()

    call.hear(request(2, "What time is it?"))
    await settle(room, 1)

    contents = [frame.data.content for frame in room.line.frames(2)]
    assert contents == ["It", " is", " five.", ""]
    assert room.line.frames(2)[-1].data.end_of_stream
    assert room.line.endings(2) == 1
    assert room.ended()[0].outcome == "complete"
    await call.close()


async def test_the_agent_gets_the_whole_conversation_and_the_call_data() -> None:
    room = Room(ScriptedAgent("Yes."))
    call = room.call()

    call.hear(start(agent_id="a", metadata={"name": "Ann"}, voip={"from": "+1", "to": "+2"}))
    call.hear(request(2, "one", "two", "three"))
    await settle(room, 2)

    (brief,) = room.agent.briefs
    lines = [line for line in brief.history if isinstance(line, Utterance)]
    assert [(line.role, line.content) for line in lines] == [
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]
    assert (brief.call.agent_id, brief.call.caller, brief.call.called) == ("a", "+1", "+2")
    assert brief.call.metadata == {"name": "Ann"}
    await call.close()


async def test_a_newer_request_silences_the_older_before_its_own_first_frame() -> None:
    room = Room(ScriptedAgent("a", "b", 50, "c"))
    call = room.call()

    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "ab")
    room.agent = ScriptedAgent("new")
    call.hear(request(3, "two"))
    await settle(room, 2)

    assert room.line.said(2) == "ab"
    assert room.line.endings(2) == 0
    assert room.line.said(3) == "new"
    assert room.line.endings(3) == 1
    assert [turn.outcome for turn in room.ended()] == ["superseded", "complete"]
    await call.close()


async def test_an_interrupt_silences_the_stream_at_once_and_for_good() -> None:
    room = Room(ScriptedAgent("a", 5, "b"))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    call.hear(interrupt(2))
    sent = len(room.line.sent)
    await settle(room, 1)
    await call.close()

    assert len(room.line.sent) == sent
    assert room.ended()[0].outcome == "interrupted"
    assert room.ended()[0].said == "a"


async def test_an_interrupt_without_an_id_means_the_stream_that_speaks() -> None:
    room = Room(ScriptedAgent("a", 5, "b"))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    call.hear(interrupt())
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == "a"
    assert room.line.endings(2) == 0


@pytest.mark.parametrize("stream_id", [1, 3, -5])
async def test_an_interrupt_of_another_stream_changes_nothing(stream_id: int) -> None:
    room = Room(ScriptedAgent("a", 5, "b"))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    call.hear(interrupt(stream_id))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == "ab"
    assert room.line.endings(2) == 1


async def test_an_interrupt_before_the_first_step_keeps_the_stream_silent() -> None:
    room = Room(ScriptedAgent("a"))
    call = room.call()

    call.hear(request(2, "one"))
    call.hear(interrupt(2))
    await settle(room, 1)
    await call.close()

    assert room.line.sent == []


async def test_an_interrupt_after_the_end_changes_nothing() -> None:
    room = Room(ScriptedAgent("a"))
    call = room.call()
    call.hear(request(2, "one"))
    await settle(room, 1)

    call.hear(interrupt(2))
    await call.close()

    assert room.line.endings(2) == 1
    assert [turn.outcome for turn in room.ended()] == ["complete"]


async def test_start_call_told_twice_greets_once() -> None:
    room = Room(ScriptedAgent())
    call = room.call()

    call.hear(start())
    await settle(room, 1)
    call.hear(start())
    await call.close()

    assert room.line.said(1) == GREETING
    assert len([event for event in room.events if isinstance(event, TurnBegan)]) == 1


async def test_another_session_on_the_same_socket_is_another_conversation() -> None:
    room = Room(ScriptedAgent("answer"))
    call = room.call()
    call.hear(start("first", stream_id=5))
    await settle(room, 1)

    call.hear(start("second", stream_id=1))
    await settle(room, 2)
    call.hear(request(2, "hello"))
    await settle(room, 3)
    await call.close()

    assert room.line.said(1) == GREETING
    assert room.line.said(2) == "answer"
    assert room.agent.briefs[0].call.session_id == "second"


async def test_a_request_before_start_call_is_answered_and_the_greeting_left_out() -> None:
    room = Room(ScriptedAgent("answer"))
    call = room.call()

    call.hear(request(1, "hello"))
    await settle(room, 1)
    call.hear(start("s", stream_id=0, metadata={"name": "Ann"}))
    call.hear(request(2, "hello", "answer", "again"))
    await settle(room, 2)
    await call.close()

    assert room.line.said(0) == ""
    assert room.line.said(2) == "answer"
    assert room.agent.briefs[1].call.metadata == {"name": "Ann"}


async def test_the_same_request_again_is_answered_once() -> None:
    room = Room(ScriptedAgent("a", 5, "b"))
    call = room.call()

    call.hear(request(2, "one"))
    call.hear(request(2, "one"))
    await settle(room, 1)
    call.hear(request(2, "one"))
    await call.close()

    assert room.line.said(2) == "ab"
    assert room.line.endings(2) == 1
    assert len(room.agent.briefs) == 1
    assert room.setup.dropped == {"duplicate": 2}


async def test_a_finished_id_with_another_conversation_is_answered() -> None:
    room = Room(ScriptedAgent("a"))
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    call.hear(request(2, "one", "a", "two"))
    await settle(room, 2)
    await call.close()

    assert len(room.agent.briefs) == 2


async def test_a_request_with_the_greetings_id_is_answered() -> None:
    room = Room(ScriptedAgent("a"))
    call = room.call()

    call.hear(start(stream_id=0))
    call.hear(request(0, "one"))
    await until(lambda: room.line.endings(0) == 1)
    await call.close()

    assert room.line.said(0).endswith("a")


async def test_a_lower_id_is_ignored_and_counted() -> None:
    room = Room(ScriptedAgent("a"))
    call = room.call()

    call.hear(request(5, "one"))
    call.hear(request(4, "two"))
    await settle(room, 1)
    await call.close()

    assert room.line.said(4) == ""
    assert room.line.said(5) == "a"
    assert room.setup.dropped == {"stale": 1}


@pytest.mark.parametrize("said", [(), ("",), ("hello", "Hi there")])
async def test_nothing_to_answer_is_answered_with_a_question(said: tuple[str, ...]) -> None:
    room = Room(ScriptedAgent("never"))
    call = room.call()

    call.hear(request(2, *said))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == REPROMPT
    assert room.line.endings(2) == 1
    assert room.agent.briefs == []


@pytest.mark.parametrize("script", [(), ("  ",), ("<think>hm</think>",), ("\n", 3, " ")])
async def test_an_empty_answer_becomes_a_question(script: tuple[str | int, ...]) -> None:
    room = Room(ScriptedAgent(*script))
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2).strip() == REPROMPT
    assert room.line.endings(2) == 1


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (AgentError("server", "secret detail"), "server"),
        (RuntimeError("secret detail"), "bug"),
        (TimeoutError(), "bug"),  # whoever has a clock of their own says what it means
        (asyncio.CancelledError(), "cancelled"),
    ],
)
async def test_a_failed_reply_is_apologised_for_and_ended_once(
    error: BaseException, failure: str
) -> None:
    room = Room(ScriptedAgent("I will", error))
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == f"I will {APOLOGY}"
    assert room.line.endings(2) == 1
    assert room.ended()[0].outcome == "failed"
    assert room.ended()[0].failure == failure


async def test_a_reply_that_takes_too_long_is_ended() -> None:
    room = Room(ScriptedAgent("one", asyncio.Event()), settings={"turn_timeout": 0.01})
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == f"one {APOLOGY}"
    assert room.line.endings(2) == 1


async def test_a_reply_that_swallows_the_end_of_its_time_is_ended_all_the_same() -> None:
    swallowed: list[None] = []

    async def stubborn(voice: Voice) -> None:
        await voice.say("one ")
        while len(swallowed) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(None)
        await asyncio.Event().wait()

    room = Room(ScriptedAgent(stubborn), settings={"turn_timeout": 0.01})
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    await call.close()

    assert len(swallowed) == 3
    assert room.line.said(2) == f"one {APOLOGY}"
    assert room.ended()[0].failure == "turn_timeout"


async def test_an_answer_without_end_is_cut() -> None:
    room = Room(ScriptedAgent(*["word "] * 2000))
    call = room.call()

    call.hear(request(2, "one"))
    await settle(room, 1)
    await call.close()

    assert len(room.line.said(2)) == room.setup.max_answer_chars
    assert room.line.endings(2) == 1
    assert room.ended()[0].outcome == "complete"


async def test_a_hang_up_stops_the_reply_quietly() -> None:
    room = Room(ScriptedAgent("a", 5, "b"))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    room.line.hung_up = True
    await settle(room, 1)
    await call.close()

    assert room.ended()[0].outcome == "hung_up"
    assert room.ended()[0].failure is None


async def test_closing_a_call_ends_everything_it_started() -> None:
    room = Room(ScriptedAgent("a", asyncio.Event()))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    await call.close()

    assert room.ended()[0].outcome == "hung_up"


# ── tools belong to the call ─────────────────────────────────────────────────────────────────────


def tool_agent(done: list[str], gate: asyncio.Event) -> ScriptedAgent:
    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> str:
            await gate.wait()
            done.append("booked")
            voice.finish_tool(use, "booked", "ok", 0.0)
            return "booked"

        task = voice.start_tool(tool, name="book", arguments={}, identity="{}", filler="")
        await asyncio.wait({task})
        await voice.say(f"It is {task.result()}.")

    return ScriptedAgent("Let me see.", run)


async def test_a_tool_outlives_the_interrupt_of_its_turn() -> None:
    done: list[str] = []
    gate = asyncio.Event()
    room = Room(tool_agent(done, gate))
    call = room.call()
    call.hear(request(2, "book it"))
    await until(lambda: any(isinstance(event, ToolBegun) for event in room.events))

    call.hear(interrupt(2))
    await settle(room, 1)
    assert done == []
    gate.set()
    await call.close()

    assert done == ["booked"]
    assert any(isinstance(event, ToolFinished) for event in room.events)
    assert room.line.said(2) == "Let me see."


async def test_a_tool_that_ignores_its_cancellation_is_cancelled_again_then_left() -> None:
    cancelled: list[int] = []
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                cancelled.append(1)

    runs = ToolRuns()
    task = runs.start(stubborn())
    await asyncio.sleep(0)
    await runs.finish(0.01)

    assert cancelled == [1]
    release.set()
    await asyncio.wait({task})


async def test_a_reply_that_swallows_a_cancel_is_cancelled_again() -> None:
    swallowed: list[int] = []

    async def stubborn(voice: Voice) -> None:
        await voice.say("a")
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(1)
        await voice.say("b")

    room = Room(ScriptedAgent(stubborn))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: room.line.said(2) == "a")

    call.hear(interrupt(2))
    await call.close()

    assert len(swallowed) == 3
    assert room.line.said(2) == "a"
    assert room.line.endings(2) == 0


# ── at any timing ────────────────────────────────────────────────────────────────────────────────


async def _one_trial(gap: int, offset: int, ticks: int, *, supersede: bool) -> None:
    room = Room(ScriptedAgent(gap, "a", gap, "b", gap, "c"), line=Line(ticks))
    call = Call(room.line, room.setup)
    call.hear(request(2, "one"))
    for _ in range(offset):
        await asyncio.sleep(0)
    over = room.line.endings(2) == 1
    sent = len(room.line.frames(2))

    call.hear(request(3, "two") if supersede else interrupt(2))
    await until(lambda: len(room.ended()) == (2 if supersede else 1))
    await call.close()

    assert len(room.line.frames(2)) == sent, "a frame left after the interrupt"
    assert room.line.endings(2) == int(over)
    if supersede:
        assert room.line.said(3) == "abc"
        assert room.line.endings(3) == 1
        assert room.line.frames(3)[-1].data.end_of_stream


@pytest.mark.parametrize("supersede", [False, True])
@pytest.mark.parametrize("ticks", [0, 1, 2])
async def test_no_timing_of_an_interrupt_loses_it_or_the_ending(
    ticks: int, *, supersede: bool
) -> None:
    for gap in range(4):
        for offset in range(40):
            await _one_trial(gap, offset, ticks, supersede=supersede)
