"""What a call tells to its record: whose, in which order, and what was heard."""

import asyncio
import json

import pytest

from bridge.call.events import (
    CallBegan,
    CallEnded,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.call.ledger import ToolUse
from bridge.call.ports import Action, Voice
from bridge.errors import AgentError, CallClosed
from bridge.protocol import (
    EndCall,
    Inbound,
    Interrupt,
    Outbound,
    StartCall,
    StreamRequest,
    StreamResponse,
    decode,
)
from tests.doubles import GREETING, Kept, Line, Room, ScriptedAgent, Secured, until


def message(kind: str, **data: object) -> Inbound:
    return decode(json.dumps({"type": kind, "data": data}))


def start(session: str = "s", stream_id: int = 1, **data: object) -> Inbound:
    return message("start_call", session_id=session, stream_id=stream_id, **data)


def request(stream_id: int, *said: str, opened: bool = False) -> Inbound:
    roles = ("assistant", "user") if opened else ("user", "assistant")
    lines = [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]
    return message("stream_request", stream_id=stream_id, transcript=lines)


def played(stream_id: int) -> Inbound:
    return message("playback_finished", session_id="s", stream_id=stream_id)


def interrupt(stream_id: int) -> Interrupt:
    return Interrupt(type="interrupt", stream_id=stream_id)


async def settle(room: Room, turns: int) -> None:
    await until(lambda: len(room.ended()) >= turns)


def heard(room: Room) -> list[TurnHeard]:
    return room.records[0].of(TurnHeard)


async def test_the_record_of_a_call_tells_it_from_its_beginning_to_its_end() -> None:
    room = Room(ScriptedAgent("It is five."))
    call = room.call()
    call.hear(start(agent_id="a", metadata={"user_id": 7}))
    await settle(room, 1)
    call.hear(request(2, GREETING, "What time is it?", opened=True))
    await settle(room, 2)
    await call.close()

    (record,) = room.records
    events = [
        type(event).__name__
        for _, event in record.told
        if not isinstance(event, StreamResponse | Secured)
    ]
    assert events == [
        "CallBegan",
        "StartCall",
        "TurnBegan",
        "TurnEnded",
        "StreamRequest",
        "TurnBegan",
        "TurnHeard",
        "TurnEnded",
        "CallEnded",
    ]
    assert all(data.agent_id == "a" for data, _ in record.told)
    assert record.of(TurnBegan)[1] == TurnBegan(2, 2, "What time is it?", 0, ahead=False)
    assert record.of(CallEnded) == [CallEnded("hung_up")]


async def test_a_turn_is_on_record_before_its_last_frame_leaves() -> None:
    room = Room(ScriptedAgent("It is five."))
    call = room.call()
    call.hear(request(2, "What time is it?"))
    await settle(room, 1)
    await call.close()

    told = [event for _, event in room.records[0].told]
    secured = next(event for event in told if isinstance(event, Secured))
    last = next(e for e in told if isinstance(e, StreamResponse) and e.data.end_of_stream)
    assert told.index(secured) < told.index(last)
    assert secured.event == room.records[0].of(TurnEnded)[0]
    assert secured.event.outcome == "complete"
    assert secured.event.said == "It is five."


class EndRefused(Line):
    """A line that goes down just before the last frame."""

    async def send(self, message: Outbound) -> None:
        if isinstance(message, StreamResponse) and message.data.end_of_stream:
            raise CallClosed
        await super().send(message)


async def test_a_last_frame_that_could_not_be_sent_corrects_what_was_on_record() -> None:
    room = Room(ScriptedAgent("It is five."), line=EndRefused())
    call = room.call()
    call.hear(request(2, "What time is it?"))
    await settle(room, 1)
    await call.close()

    (secured,) = room.records[0].of(Secured)
    assert secured.event.outcome == "complete"
    assert [event.outcome for event in room.records[0].of(TurnEnded)] == ["hung_up"]


async def test_an_interrupted_turn_is_told_without_being_secured() -> None:
    room = Room(ScriptedAgent("One.", asyncio.Event()))
    call = room.call()
    call.hear(request(2, "count"))
    await until(lambda: room.line.said(2) == "One.")
    call.hear(interrupt(2))
    await settle(room, 1)
    await call.close()

    assert room.records[0].of(Secured) == []
    assert room.records[0].of(TurnEnded)[0].outcome == "interrupted"


# ── what was heard ───────────────────────────────────────────────────────────────────────────────


async def test_what_was_played_to_its_end_was_heard_once() -> None:
    room = Room(ScriptedAgent("It is five."))
    call = room.call()
    call.hear(request(2, "What time is it?"))
    await settle(room, 1)
    call.hear(played(2))
    call.hear(played(2))
    call.hear(request(3, "What time is it?", "It is five.", "Thanks"))
    await settle(room, 2)
    await call.close()

    assert heard(room) == [TurnHeard(1, "It is five.")]


async def test_where_the_caller_spoke_is_found_in_the_next_request() -> None:
    room = Room(ScriptedAgent("One two three.", asyncio.Event()))
    call = room.call()
    call.hear(request(2, "count"))
    await until(lambda: room.line.said(2) == "One two three.")
    call.hear(interrupt(2))
    room.agent = ScriptedAgent("Okay.")
    call.hear(request(3, "count", "one two", "stop"))
    await settle(room, 2)
    await call.close()

    assert heard(room) == [TurnHeard(1, "One two", 7)]


@pytest.mark.parametrize("kept", [(), ("",)])
async def test_an_answer_that_millis_left_out_was_not_heard(kept: tuple[str, ...]) -> None:
    room = Room(ScriptedAgent("One two three.", asyncio.Event()))
    call = room.call()
    call.hear(request(2, "count"))
    await until(lambda: room.line.said(2) == "One two three.")
    call.hear(interrupt(2))
    room.agent = ScriptedAgent("Okay.")
    lines = [{"role": "user", "content": "count"}, {"role": "user", "content": "stop"}]
    lines[1:1] = [{"role": "assistant", "content": text} for text in kept]
    call.hear(message("stream_request", stream_id=3, transcript=lines))
    await settle(room, 2)
    await call.close()

    assert heard(room) == [TurnHeard(1, "", 0)]


async def test_an_answer_spoken_over_while_it_played_was_heard_as_far_as_millis_says() -> None:
    room = Room(ScriptedAgent("One two three."))
    call = room.call()
    call.hear(request(2, "count"))
    await settle(room, 1)
    call.hear(interrupt(2))
    call.hear(request(3, "count", "One", "stop"))
    await settle(room, 2)
    await call.close()

    assert room.records[0].of(TurnEnded)[0].outcome == "complete"
    assert heard(room) == [TurnHeard(1, "One", 3)]


async def test_what_nobody_told_of_stays_unknown() -> None:
    room = Room(ScriptedAgent("It is five."))
    call = room.call()
    call.hear(request(2, "What time is it?"))
    await settle(room, 1)
    await call.close()

    assert heard(room) == []


# ── the model and the tools ──────────────────────────────────────────────────────────────────────


async def test_the_tools_and_the_models_messages_are_told_with_their_turn() -> None:
    async def run(voice: Voice) -> None:
        voice.model_began()
        voice.model_answered(
            ModelAnswered(
                voice.turn, "m", "", (), first_token=0.1, seconds=0.2, tokens_in=5, tokens_out=1
            )
        )

        async def tool(use: ToolUse) -> None:
            voice.finish_tool(use, "booked", "ok", 0.5)

        task = voice.start_tool(
            tool, name="book", arguments={"day": 1}, identity="{}", filler="", policy="once"
        )
        await asyncio.wait({task})
        await voice.say("Done.")

    room = Room(ScriptedAgent(run))
    call = room.call()
    call.hear(start())
    await settle(room, 1)
    call.hear(request(2, GREETING, "book it", opened=True))
    await settle(room, 2)
    await call.close()

    record = room.records[0]
    (begun,), (finished,) = record.of(ToolBegun), record.of(ToolFinished)
    assert (begun.turn, begun.name, begun.arguments, begun.policy) == (
        2,
        "book",
        {"day": 1},
        "once",
    )
    assert (finished.turn, finished.result, finished.outcome) == (2, "booked", "ok")
    assert finished.id == begun.id
    assert [answered.turn for answered in record.of(ModelAnswered)] == [2]
    ended = record.of(TurnEnded)[1]
    assert ended.first_token is not None
    assert ended.first_word is not None
    assert ended.last_frame is not None
    assert 0 <= ended.first_token <= ended.first_word <= ended.last_frame


async def test_a_failure_is_told_by_its_kind() -> None:
    room = Room(ScriptedAgent(AgentError("model_down")))
    call = room.call()
    call.hear(request(2, "hi"))
    await settle(room, 1)
    await call.close()

    (secured,) = room.records[0].of(Secured)
    assert (secured.event.outcome, secured.event.failure) == ("failed", "model_down")


# ── connections ──────────────────────────────────────────────────────────────────────────────────


async def test_another_session_on_the_socket_has_a_record_of_its_own() -> None:
    gate = asyncio.Event()

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            await gate.wait()
            voice.finish_tool(use, "booked", "ok", 0.0)

        await asyncio.wait(
            {voice.start_tool(tool, name="book", arguments={}, identity="{}", filler="")}
        )

    room = Room(ScriptedAgent(run))
    call = room.call()
    call.hear(start("one"))
    await settle(room, 1)
    call.hear(request(2, GREETING, "book it", opened=True))
    await until(lambda: bool(room.records[0].of(ToolBegun)))
    call.hear(start("two", stream_id=3))
    await settle(room, 3)
    gate.set()
    await call.close()

    first, second = room.records
    assert first.of(CallEnded) == [CallEnded("replaced")]
    assert [event.outcome for event in first.of(ToolFinished)] == ["ok"]  # late, and not lost
    assert second.of(ToolFinished) == []
    assert {data.session_id for data, _ in first.told} == {"", "one"} - {""}
    assert {data.session_id for data, _ in second.told} == {"two"}
    assert len(second.of(StartCall)) == 1
    assert second.of(CallEnded) == [CallEnded("hung_up")]


async def test_a_late_start_call_goes_on_with_the_record_that_was_begun() -> None:
    room = Room(ScriptedAgent("Yes."))
    call = room.call()
    call.hear(request(1, "hello"))
    await settle(room, 1)
    call.hear(start("s", agent_id="a"))
    await call.close()

    (record,) = room.records
    assert [event for _, event in record.told if isinstance(event, CallBegan)] == [CallBegan()]
    assert record.told[-1][0].agent_id == "a"
    assert len(record.of(StreamRequest)) == 1


async def test_a_call_that_another_socket_took_over_was_replaced() -> None:
    room = Room(ScriptedAgent("Yes."))
    first, second = room.call(), room.call()
    first.hear(start("s"))
    await settle(room, 1)
    second.hear(start("s"))
    await first.close()
    await second.close()

    endings = [record.of(CallEnded)[0].ending for record in room.records]
    assert endings == ["replaced", "hung_up"]


async def test_a_call_that_the_agent_ended_says_so() -> None:
    async def ask(voice: Voice) -> None:
        voice.request(Action("end_call"))
        await voice.say("Goodbye!")

    room = Room(ScriptedAgent(ask))
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(played(2))
    await until(lambda: bool(room.records[0].of(EndCall)))
    await call.close()

    assert room.records[0].of(CallEnded) == [CallEnded("ended")]


async def test_every_message_is_told_as_it_comes_and_goes() -> None:
    room = Room(ScriptedAgent("One", " two."))
    call = room.call()
    call.hear(start())
    await settle(room, 1)
    call.hear(request(2, GREETING, "count", opened=True))
    await settle(room, 2)
    call.hear(interrupt(2))
    await call.close()

    record: Kept = room.records[0]
    assert room.line.sent == record.of(StreamResponse)
    assert [type(m).__name__ for _, m in record.told if isinstance(m, Inbound)] == [
        "StartCall",
        "StreamRequest",
        "Interrupt",
    ]
