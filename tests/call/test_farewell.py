"""Ending and transferring a call: after the goodbye was heard, and only if nobody speaks."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge.call.farewell import playing_time
from bridge.call.history import ToolExchange
from bridge.call.ledger import ToolUse
from bridge.call.notes import BROKEN_OFF, WITHDRAWN
from bridge.call.ports import Action, Voice
from bridge.errors import AgentError, ToolError
from bridge.protocol import EndCall, Outbound, PlaybackFinished, TransferCall
from tests.call.test_call import interrupt, request, settle, start
from tests.doubles import APOLOGY, LINES, Line, Room, ScriptedAgent, until

pytestmark = pytest.mark.virtual_time  # waiting is exact, and takes no time

END = Action("end_call")
TRANSFER = Action("transfer_call", "+15550100")
REQUESTED = "The call ends after your next words."


def played(stream_id: int) -> PlaybackFinished:
    return PlaybackFinished.model_validate(
        {"type": "playback_finished", "data": {"session_id": "s", "stream_id": stream_id}}
    )


def use_tool(action: Action) -> Callable[[Voice], Any]:
    """Ask for an action as its tool does."""

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            try:
                voice.request(action)
            except ToolError as error:
                voice.finish_tool(use, str(error), "failed", 0.0)
            else:
                voice.finish_tool(use, REQUESTED, "ok", 0.0)

        task = voice.start_tool(tool, name=action.kind, arguments={}, identity=None, filler="")
        await asyncio.wait({task})

    return run


def parting_room(
    *script: Any, action: Action = END, line: Line | None = None, **settings: Any
) -> Room:
    agent = ScriptedAgent(use_tool(action), *script)
    return Room(agent, line=line or Line(), settings=settings)


def actions(room: Room) -> list[Outbound]:
    return [message for message in room.line.sent if isinstance(message, EndCall | TransferCall)]


async def test_the_call_is_ended_once_the_goodbye_was_played() -> None:
    room = parting_room("Goodbye!")
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    await asyncio.sleep(0.02)
    assert actions(room) == []
    call.hear(played(2))
    await until(lambda: bool(actions(room)))

    (message,) = actions(room)
    assert isinstance(message, EndCall)
    assert message.data.stream_id == 2
    assert room.line.sent.index(message) == len(room.line.sent) - 1
    assert room.line.said(2) == "Goodbye!"
    assert room.line.endings(2) == 1
    await call.close()


async def test_a_transfer_carries_its_destination() -> None:
    room = parting_room("One moment.", action=TRANSFER)
    call = room.call()
    call.hear(request(2, "sales please"))
    await settle(room, 1)
    call.hear(played(2))
    await until(lambda: bool(actions(room)))

    (message,) = actions(room)
    assert isinstance(message, TransferCall)
    assert (message.data.stream_id, message.data.destination) == (2, "+15550100")
    await call.close()


async def test_playback_that_is_never_reported_does_not_keep_the_call_open() -> None:
    room = parting_room("By", goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    began = asyncio.get_running_loop().time()
    await until(lambda: bool(actions(room)))

    assert asyncio.get_running_loop().time() - began >= playing_time("By")
    await call.close()


def test_long_last_words_are_given_the_time_they_take() -> None:
    assert playing_time("word " * 200) > 60


@pytest.mark.parametrize("stream_id", [1, 3, 99])
async def test_the_end_of_another_stream_is_not_the_end_of_the_goodbye(stream_id: int) -> None:
    room = parting_room("Goodbye!")
    call = room.call()
    call.hear(start(stream_id=1))
    call.hear(request(2, "bye"))
    await settle(room, 2)
    call.hear(played(stream_id))
    await asyncio.sleep(0.01)
    assert actions(room) == []
    await call.close()


async def test_an_end_of_playback_told_before_the_last_word_does_not_count() -> None:
    go = asyncio.Event()
    room = parting_room("Well,", go, " goodbye!")
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: bool(room.line.said(2)))
    call.hear(played(2))
    go.set()
    await settle(room, 1)
    await asyncio.sleep(0.01)
    assert actions(room) == []
    call.hear(played(2))
    await until(lambda: bool(actions(room)))
    await call.close()


async def test_an_end_of_playback_told_twice_ends_the_call_once() -> None:
    room = parting_room("Goodbye!")
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(played(2))
    call.hear(played(2))
    await until(lambda: bool(actions(room)))
    call.hear(played(2))
    await asyncio.sleep(0.01)
    assert len(actions(room)) == 1
    await call.close()


async def test_a_playback_that_ends_while_the_ending_is_still_being_sent_counts() -> None:
    room = parting_room("Goodbye!", line=Line(ticks=5))
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: room.line.endings(2) == 1)
    assert not room.ended()
    call.hear(played(2))
    await until(lambda: bool(actions(room)), seconds=1)
    await call.close()


@pytest.mark.parametrize("caller", ["interrupt", "interrupt without id", "request"])
async def test_a_caller_who_speaks_first_keeps_the_call_and_the_model_is_told(caller: str) -> None:
    room = parting_room("Goodbye!", goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    if caller != "request":
        call.hear(interrupt(2 if caller == "interrupt" else None))
    room.agent = ScriptedAgent("Yes?")
    call.hear(request(3, "bye", "Goodbye!", "wait"))
    await settle(room, 2)
    await asyncio.sleep(playing_time("Goodbye!") + 0.05)

    assert actions(room) == []
    assert room.line.said(3) == "Yes?"
    (brief,) = room.agent.briefs
    assert [item.result for item in brief.history if isinstance(item, ToolExchange)] == [WITHDRAWN]
    await call.close()


async def test_an_action_that_was_done_is_not_called_withdrawn() -> None:
    room = parting_room("Goodbye!")
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(played(2))
    await until(lambda: bool(actions(room)))
    room.agent = ScriptedAgent("Yes?")
    call.hear(request(3, "bye", "Goodbye!", "wait"))
    await settle(room, 2)

    (brief,) = room.agent.briefs
    assert [item.result for item in brief.history if isinstance(item, ToolExchange)] == [REQUESTED]
    await call.close()


async def test_a_hang_up_in_the_gap_ends_nothing_more() -> None:
    room = parting_room("Goodbye!", goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    await call.close()

    assert actions(room) == []
    assert call.ledger.entries[-1].uses[0].result == WITHDRAWN


async def test_an_interrupted_turns_action_is_never_done() -> None:
    go = asyncio.Event()
    room = parting_room("Good", go, "bye!", goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: room.line.said(2) == "Good")
    call.hear(interrupt(2))
    go.set()
    await settle(room, 1)
    call.hear(played(2))
    await asyncio.sleep(playing_time("Goodbye!") + 0.05)

    assert actions(room) == []
    assert call.ledger.entries[-1].uses[0].result == WITHDRAWN
    await call.close()


async def test_a_superseded_turns_action_is_never_done() -> None:
    room = parting_room("Good", asyncio.Event(), goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: room.line.said(2) == "Good")
    room.agent = ScriptedAgent("Yes?")
    call.hear(request(3, "bye", "Good", "wait"))
    await settle(room, 2)
    call.hear(played(3))
    await asyncio.sleep(0.05)

    assert actions(room) == []
    await call.close()


async def test_an_interrupt_at_any_tick_keeps_the_call_or_comes_too_late() -> None:
    kept = 0
    for offset in range(40):
        room = parting_room("Bye!", line=Line(ticks=2))
        call = room.call()
        call.hear(request(2, "bye"))
        for _ in range(offset):
            await asyncio.sleep(0)
        if room.line.endings(2):
            call.hear(played(2))
        done = bool(actions(room))
        call.hear(interrupt(2))
        await settle(room, 1)
        await asyncio.sleep(0.001)
        uses = call.ledger.entries[-1].uses
        if done:
            assert len(actions(room)) == 1
        elif uses and not actions(room):
            kept += 1
            assert uses[0].result == WITHDRAWN
        assert len(actions(room)) <= 1
        assert len(actions(room)) == int(done), "nothing is done after the interrupt"
        await call.close()
    assert kept > 5


async def test_a_turn_that_fails_does_not_hang_up_on_a_caller_whom_it_asks_to_say_it_again() -> (
    None
):
    room = parting_room(AgentError("server"), goodbye_timeout=0.01)
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(played(2))
    await asyncio.sleep(0.05)

    assert room.line.said(2) == APOLOGY
    assert actions(room) == []
    assert call.ledger.entries[-1].uses[0].result == BROKEN_OFF
    await call.close()


@pytest.mark.parametrize(("action", "prompt"), [(END, "goodbye"), (TRANSFER, "transfer")])
async def test_without_a_word_from_the_model_the_bridge_says_the_goodbye(
    action: Action, prompt: str
) -> None:
    room = parting_room(action=action)
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(played(2))
    await until(lambda: bool(actions(room)))

    assert room.line.said(2) == LINES[prompt][0]
    await call.close()


async def test_a_tool_that_ends_after_the_interrupt_does_not_tell_the_model_that_it_worked() -> (
    None
):
    gate = asyncio.Event()

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            voice.request(END)
            await gate.wait()
            voice.finish_tool(use, REQUESTED, "ok", 0.0)

        task = voice.start_tool(tool, name="end_call", arguments={}, identity=None, filler="")
        await asyncio.wait({task})

    room = Room(ScriptedAgent(run))
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: call.ledger.running)
    await asyncio.sleep(0)
    call.hear(interrupt(2))
    await settle(room, 1)
    gate.set()
    await call.close()

    assert call.ledger.entries[-1].uses[0].result == WITHDRAWN
    assert actions(room) == []


async def test_an_action_asked_for_after_the_interrupt_is_refused() -> None:
    refused: list[str] = []
    gate = asyncio.Event()

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            await gate.wait()
            try:
                voice.request(END)
            except ToolError as error:
                refused.append(str(error))
            voice.finish_tool(use, "refused", "failed", 0.0)

        task = voice.start_tool(tool, name="end_call", arguments={}, identity=None, filler="")
        await asyncio.wait({task})

    room = Room(ScriptedAgent(run))
    call = room.call()
    call.hear(request(2, "bye"))
    await until(lambda: call.ledger.running)
    call.hear(interrupt(2))
    await settle(room, 1)
    gate.set()
    await call.close()

    assert refused == [WITHDRAWN]
    assert actions(room) == []
