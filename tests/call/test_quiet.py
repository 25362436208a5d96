"""A caller who says nothing is asked again, and at last let go."""

import asyncio
from typing import Any

import pytest

from bridge.call.ledger import ToolUse
from bridge.call.ports import Voice
from bridge.protocol import EndCall, PartialTranscript
from tests.call.test_call import interrupt, request, settle, start
from tests.call.test_farewell import END, actions, played, use_tool
from tests.doubles import LINES, Room, ScriptedAgent, until

pytestmark = pytest.mark.virtual_time  # waiting is exact, and takes no time

ASK, BYE = LINES["silence"]


def quiet_room(*script: Any, **settings: Any) -> Room:
    return Room(ScriptedAgent(*script), settings={"silence_after": 0.01, **settings})


def partial(text: str) -> PartialTranscript:
    return PartialTranscript.model_validate(
        {"type": "partial_transcript", "data": {"session_id": "s", "transcript": text}}
    )


async def answered(room: Room) -> Any:
    call = room.call()
    call.hear(request(2, "one"))
    await settle(room, 1)
    return call


async def test_a_silent_caller_is_asked_then_let_go() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    call.hear(played(2))
    await until(lambda: ASK in room.line.said(2))
    assert room.line.sent[-2].data.flush  # type: ignore[union-attr]
    call.hear(played(2))
    await until(lambda: BYE in room.line.said(2))
    await asyncio.sleep(0.01)
    assert actions(room) == []
    call.hear(played(2))
    await until(lambda: bool(actions(room)))

    assert room.line.said(2) == f"Five.{ASK}{BYE}"
    (message,) = actions(room)
    assert isinstance(message, EndCall)
    await call.close()


async def test_the_ladder_goes_on_although_millis_reports_a_stream_once() -> None:
    room = quiet_room("Five.", goodbye_timeout=0.01)
    call = await answered(room)
    call.hear(played(2))
    await until(lambda: bool(actions(room)))

    assert room.line.said(2) == f"Five.{ASK}{BYE}"
    await call.close()


async def test_zero_seconds_mean_that_nobody_is_asked() -> None:
    room = Room(ScriptedAgent("Five."))
    call = await answered(room)
    call.hear(played(2))
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five."
    await call.close()


async def test_nobody_is_asked_before_the_answer_was_played() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    await asyncio.sleep(0.03)
    call.hear(played(1))  # another stream
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five."
    await call.close()


async def test_a_pause_of_the_playback_while_the_answer_is_still_spoken_does_not_count() -> None:
    go = asyncio.Event()
    room = quiet_room("Five", go, " euros.")
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.said(2)))
    call.hear(played(2))
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five"
    go.set()
    await settle(room, 1)
    await call.close()


async def test_a_caller_who_begins_to_speak_is_not_asked_and_the_ladder_begins_anew() -> None:
    room = quiet_room("Five.", silence_after=0.02)
    call = await answered(room)
    call.hear(played(2))
    await until(lambda: ASK in room.line.said(2))
    call.hear(partial("er"))
    await asyncio.sleep(0.04)
    assert room.line.said(2) == f"Five.{ASK}"
    call.hear(played(2))
    await until(lambda: room.line.said(2) == f"Five.{ASK}{ASK}")
    await call.close()


async def test_an_empty_partial_is_not_the_callers_voice() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    call.hear(played(2))
    call.hear(partial(" "))
    await until(lambda: ASK in room.line.said(2))
    await call.close()


async def test_nobody_is_asked_on_a_stream_that_was_interrupted() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    call.hear(interrupt(2))
    call.hear(played(2))
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five."
    await call.close()


async def test_a_new_request_stops_the_waiting() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    call.hear(played(2))
    call.hear(request(3, "one", "Five.", "two"))
    await settle(room, 2)
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five."
    await call.close()


async def test_nobody_is_asked_while_a_tool_runs_but_afterwards() -> None:
    gate = asyncio.Event()

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            await gate.wait()
            voice.finish_tool(use, "booked", "ok", 0.0)

        await asyncio.wait(
            {voice.start_tool(tool, name="book", arguments={}, identity=None, filler="")}
        )

    room = quiet_room(run)
    call = room.call()
    call.hear(request(2, "book it"))
    await until(lambda: call.ledger.running)
    room.agent = ScriptedAgent("Still at it.")
    call.hear(request(3, "book it", "Well.", "and now?"))
    await settle(room, 2)
    call.hear(played(3))
    await asyncio.sleep(0.03)
    assert room.line.said(3) == "Still at it."
    gate.set()
    await until(lambda: ASK in room.line.said(3))
    await call.close()


async def test_nobody_is_asked_while_the_call_is_being_ended_or_was_transferred() -> None:
    room = quiet_room(use_tool(END), "Goodbye!")
    call = await answered(room)
    call.hear(played(2))
    await until(lambda: bool(actions(room)))
    call.hear(played(2))
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Goodbye!"
    await call.close()


async def test_a_caller_who_answers_the_goodbye_keeps_the_call() -> None:
    room = quiet_room("Five.", goodbye_timeout=0.01)
    call = await answered(room)
    call.hear(played(2))
    await until(lambda: BYE in room.line.said(2))
    call.hear(interrupt(2))
    call.hear(request(3, "one", "Five.", "wait"))
    await asyncio.sleep(0.6)
    assert actions(room) == []
    await call.close()


async def test_another_session_on_the_socket_begins_without_the_old_silence() -> None:
    room = quiet_room("Five.", silence_after=0.02)
    call = room.call()
    call.hear(start(stream_id=1))
    call.hear(request(2, "one"))
    await settle(room, 2)
    call.hear(played(2))
    call.hear(start("other", stream_id=1))
    await settle(room, 3)
    await asyncio.sleep(0.04)
    assert ASK not in "".join(room.line.said(n) for n in (1, 2))
    await call.close()


async def test_a_hang_up_ends_the_waiting() -> None:
    room = quiet_room("Five.")
    call = await answered(room)
    call.hear(played(2))
    await call.close()
    await asyncio.sleep(0.03)
    assert room.line.said(2) == "Five."
