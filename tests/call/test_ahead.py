"""Thinking ahead: an answer begun before Millis asks is spoken at once, or leaves no trace."""

import asyncio
from typing import Any

import pytest

from bridge.call.call import Call
from bridge.call.deadair import Patience
from bridge.call.events import CallEnded, ToolBegun, ToolFinished, TurnBegan
from bridge.call.ledger import ToolUse
from bridge.call.ports import Action, Voice
from bridge.errors import AgentError
from bridge.protocol import PartialTranscript
from tests.call.test_call import interrupt, request, settle, start
from tests.call.test_farewell import END, actions, played, use_tool
from tests.doubles import REPROMPT, Line, Room, ScriptedAgent, until

pytestmark = pytest.mark.virtual_time  # waiting is exact, and takes no time


def partial(text: str, *, final: bool = True) -> PartialTranscript:
    data = {"session_id": "s", "transcript": text, "is_final": final}
    return PartialTranscript.model_validate({"type": "partial_transcript", "data": data})


def ahead_room(*script: Any, line: Line | None = None, **settings: Any) -> Room:
    quiet = Patience(filler_after=0)  # a busy machine is no dead air
    settings = {"patience": quiet, **settings}
    return Room(ScriptedAgent(*script), line=line or Line(), settings=settings)


def asked(room: Room) -> list[str]:
    """The line that each reply was begun to."""
    return [brief.history[-1].content for brief in room.agent.briefs]  # type: ignore[union-attr]


async def begun(room: Room, count: int = 1) -> None:
    await until(lambda: len(room.agent.briefs) == count)


async def pause() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# ── a hit ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", ["What time is it?", "what time is it", "  What time,  is it "])
async def test_an_answer_begun_ahead_goes_out_under_the_new_stream_id(line: str) -> None:
    room = ahead_room("It is", 3, " five.")
    call = room.call()
    call.hear(partial("What time is it?"))
    await pause()
    assert room.line.sent == []
    assert room.events == []

    call.hear(request(7, line))
    await settle(room, 1)
    await call.close()

    assert room.line.said(7) == "It is five."
    assert room.line.endings(7) == 1
    assert room.line.frames(7)[-1].data.end_of_stream
    assert len(room.agent.briefs) == 1
    assert [type(event).__name__ for event in room.events] == [
        "TurnBegan",
        "TurnEnded",
        "CallEnded",
    ]
    assert isinstance(room.events[0], TurnBegan)
    assert room.events[0].stream_id == 7
    assert room.events[0].ahead
    assert room.setup.ahead == {"hit": 1}
    assert len(call.ledger.entries) == 1


async def test_held_words_leave_within_a_few_ticks_of_the_request() -> None:
    room = ahead_room("It is", asyncio.Event())
    call = room.call()
    call.hear(partial("time?"))
    await pause()
    call.hear(request(2, "time?"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert room.line.said(2) == "It is"
    await call.close()


async def test_a_first_word_of_a_hit_is_timed_from_the_request() -> None:
    room = ahead_room("Five.")
    call = room.call()
    call.hear(partial("time?"))
    await asyncio.sleep(0.05)
    call.hear(request(2, "time?"))
    await settle(room, 1)
    await call.close()
    first_word = room.ended()[0].first_word
    assert first_word is not None
    assert 0 <= first_word < 0.04


async def test_an_empty_answer_begun_ahead_is_asked_again() -> None:
    room = ahead_room()
    call = room.call()
    call.hear(partial("time?"))
    await pause()
    call.hear(request(2, "time?"))
    await settle(room, 1)
    await call.close()
    assert room.line.said(2) == REPROMPT


async def test_an_answer_that_broke_down_ahead_is_begun_again() -> None:
    room = ahead_room("It", AgentError("server"))
    call = room.call()
    call.hear(partial("time?"))
    await pause()
    room.agent.script = ("Five.",)
    call.hear(request(2, "time?"))
    await settle(room, 1)
    await call.close()
    assert room.line.said(2) == "Five."
    assert room.setup.ahead["miss"] == 1


async def test_fillers_wait_for_the_request() -> None:
    patience = Patience(filler_after=0.02)
    room = ahead_room(asyncio.Event(), patience=patience)
    call = room.call()
    call.hear(partial("time?"))
    await asyncio.sleep(0.05)
    assert room.line.sent == []
    asked_at = asyncio.get_running_loop().time()
    call.hear(request(2, "time?"))
    await until(lambda: bool(room.line.sent))
    assert asyncio.get_running_loop().time() - asked_at >= 0.019
    await call.close()


async def test_the_second_turns_answer_knows_the_first() -> None:
    room = ahead_room("One.")
    call = room.call()
    call.hear(request(2, "first"))
    await settle(room, 1)
    call.hear(partial("second"))
    await pause()
    call.hear(request(3, "first", "One.", "second"))
    await settle(room, 2)
    await call.close()

    history = [line.content for line in room.agent.briefs[1].history]  # type: ignore[union-attr]
    assert history == ["first", "One.", "second"]
    assert room.setup.ahead == {"hit": 1}


async def test_a_second_try_knows_the_conversation_as_well_as_the_first() -> None:
    room = ahead_room("One.")
    call = room.call()
    call.hear(request(2, "first"))
    await settle(room, 1)
    call.hear(partial("my sec"))
    await begun(room, 2)
    call.hear(partial("my second"))
    await begun(room, 3)
    call.hear(request(3, "first", "One.", "my second"))
    await settle(room, 2)
    await call.close()

    history = [line.content for line in room.agent.briefs[2].history]  # type: ignore[union-attr]
    assert history == ["first", "One.", "my second"]
    assert (room.setup.ahead["hit"], room.setup.ahead["miss"]) == (1, 1)


# ── a miss ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_to_something_else_is_dropped_without_trace() -> None:
    room = ahead_room("This is the wrong answer", asyncio.Event())
    call = room.call()
    call.hear(partial("what time"))
    await begun(room)
    await pause()
    room.agent = ScriptedAgent("Five.")
    call.hear(request(2, "what time does it close"))
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == "Five."
    assert [type(event).__name__ for event in room.events] == [
        "TurnBegan",
        "TurnEnded",
        "CallEnded",
    ]
    assert len(call.ledger.entries) == 1
    assert room.setup.ahead == {"miss": 1, "wasted_tokens": 6}


async def test_digits_apart_are_another_line() -> None:
    room = ahead_room("Yes.")
    call = room.call()
    call.hear(partial("order 15"))
    await pause()
    call.hear(request(2, "order 1.5"))
    await settle(room, 1)
    await call.close()
    assert asked(room) == ["order 15", "order 1.5"]


@pytest.mark.parametrize("told", ["One, two", None])
async def test_an_answer_that_takes_for_granted_what_was_not_heard_is_dropped(
    told: str | None,
) -> None:
    room = ahead_room("One, two, three.")
    call = room.call()
    call.hear(request(2, "count"))
    await settle(room, 1)
    call.hear(partial("wait"))
    await begun(room, 2)
    if told is None:
        call.hear(interrupt(2))
    call.hear(request(3, "count", told or "One, two, three.", "wait"))
    await settle(room, 2)
    await call.close()
    assert len(room.agent.briefs) == 3
    assert room.setup.ahead["miss"] == 1


async def test_nothing_is_begun_after_an_interrupt_as_only_millis_knows_what_was_heard() -> None:
    room = ahead_room("One.")
    call = room.call()
    call.hear(request(2, "count"))
    await settle(room, 1)
    call.hear(interrupt(2))
    call.hear(partial("wait"))
    await pause()
    assert len(room.agent.briefs) == 1
    await call.close()


async def test_nothing_is_begun_while_an_answer_is_being_spoken() -> None:
    go = asyncio.Event()
    room = ahead_room("Well", go)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    call.hear(partial("two"))
    await pause()
    assert len(room.agent.briefs) == 1
    go.set()
    await settle(room, 1)
    await call.close()


async def test_nothing_is_begun_while_the_call_is_about_to_end() -> None:
    room = ahead_room(use_tool(END), "Bye!")
    call = room.call()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    call.hear(partial("wait"))
    await pause()
    assert len(room.agent.briefs) == 1
    await call.close()


# ── when it is begun ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("mode", "begun_to"), [("off", []), ("final", ["b"]), ("any", ["a", "b"])])
async def test_the_setting_says_what_an_answer_is_begun_to(mode: str, begun_to: list[str]) -> None:
    room = ahead_room("x", asyncio.Event(), think_ahead=mode)
    call = room.call()
    call.hear(partial("a", final=False))
    await pause()
    call.hear(partial("b", final=True))
    await pause()
    assert asked(room) == begun_to
    await call.close()


async def test_three_tries_at_most_for_one_line_of_the_callers() -> None:
    room = ahead_room("x", asyncio.Event())
    call = room.call()
    for said in (
        "one",
        "one two",
        "one two three",
        "one two three four",
        "one two three four five",
    ):
        call.hear(partial(said))
        await pause()
    assert asked(room) == ["one", "one two", "one two three"]
    assert room.setup.ahead["miss"] == 3, "what is out of date does not cost any longer"

    room.agent.script = ("Five.",)
    call.hear(request(2, "one two three four five"))
    await settle(room, 1)
    call.hear(partial("next"))
    await begun(room, 5)
    await call.close()


async def test_the_last_try_is_kept_for_a_final_transcript() -> None:
    room = ahead_room("x", asyncio.Event(), think_ahead="any")
    call = room.call()
    for said in ("what", "what is", "what is the", "what is the time"):
        call.hear(partial(said, final=False))
        await pause()
    call.hear(partial("what is the time"))
    await pause()
    assert asked(room) == ["what", "what is", "what is the time"]
    await call.close()


async def test_the_same_words_again_do_not_begin_it_again() -> None:
    room = ahead_room("x", asyncio.Event())
    call = room.call()
    for said in ("What time?", "what time", "What, time"):
        call.hear(partial(said))
        await pause()
    assert len(room.agent.briefs) == 1
    await call.close()


@pytest.mark.parametrize(
    "finals",
    [
        ("I want a table", "I want a table for two"),  # each has all that was said
        ("I want a table", "for two"),  # each has what is new
        ("I want a stable", "I want a table for two"),  # a word is heard anew
    ],
)
async def test_final_pieces_are_joined_however_millis_cuts_them(finals: tuple[str, ...]) -> None:
    room = ahead_room("Yes.")
    call = room.call()
    for final in finals:
        call.hear(partial(final))
        await pause()
    call.hear(request(2, "I want a table for two."))
    await settle(room, 1)
    await call.close()
    assert len(room.agent.briefs) == 2
    assert room.setup.ahead["hit"] == 1


async def test_a_piece_that_begins_like_the_one_before_is_still_new() -> None:
    room = ahead_room("Yes.")
    call = room.call()
    call.hear(partial("no"))
    call.hear(partial("nothing else"))
    await pause()
    assert asked(room)[-1] == "no nothing else"
    await call.close()


async def test_what_was_said_during_the_answer_counts_for_the_next_line() -> None:
    go = asyncio.Event()
    room = ahead_room("Well", go)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    call.hear(partial("I want"))
    go.set()
    await settle(room, 1)
    call.hear(partial("two"))
    await begun(room, 2)
    assert asked(room)[-1] == "I want two"
    await call.close()


async def test_an_empty_or_endless_transcript_begins_nothing() -> None:
    room = ahead_room("x")
    call = room.call()
    for said in ("", "  ", "?!", "word " * 2000):
        call.hear(partial(said))
    await pause()
    assert room.agent.briefs == []
    await call.close()


# ── tools and actions ────────────────────────────────────────────────────────────────────────────


def tool(name: str, ran: list[str], *, certain: bool) -> Any:
    async def run(voice: Voice) -> None:
        if certain:
            await voice.certain()

        async def use_it(use: ToolUse) -> None:
            ran.append(name)
            voice.finish_tool(use, "done", "ok", 0.0)

        await asyncio.wait(
            {voice.start_tool(use_it, name=name, arguments={}, identity=None, filler="")}
        )

    return run


def nested(run: Any) -> Any:
    """Run in a task of its own, as the graph does: a cancellation gets there some ticks later."""

    async def outer(voice: Voice) -> None:
        inner = asyncio.create_task(run(voice))
        try:
            await asyncio.wait({inner})
        finally:
            await pause()
            inner.cancel()

    return outer


async def test_what_changes_something_waits_for_the_request_what_only_reads_does_not() -> None:
    ran: list[str] = []
    room = ahead_room(tool("look", ran, certain=False), tool("book", ran, certain=True), "Done.")
    call = room.call()
    call.hear(partial("book it"))
    await pause()
    assert ran == ["look"]
    assert room.events == []

    call.hear(request(2, "book it"))
    await settle(room, 1)
    await call.close()
    assert ran == ["look", "book"]
    names = [event.name for event in room.events if isinstance(event, ToolBegun | ToolFinished)]
    assert names == ["look", "look", "book", "book"]
    assert isinstance(room.events[0], TurnBegan)


@pytest.mark.parametrize("how", ["request", "close", "start", "partial"])
async def test_what_changes_something_never_runs_in_a_dropped_answer(how: str) -> None:
    ran: list[str] = []

    room = ahead_room(nested(tool("book", ran, certain=True)))
    call = room.call()
    call.hear(start(stream_id=1))
    await settle(room, 1)
    call.hear(partial("book it"))
    await begun(room)
    await pause()
    room.agent = ScriptedAgent("Fine.")
    if how == "request":
        call.hear(request(2, "no, wait"))
        await settle(room, 2)
    elif how == "start":
        call.hear(start("other", stream_id=1))
    elif how == "partial":
        call.hear(partial("no, wait"))
    await pause()
    await call.close()

    assert ran == []
    assert not [event for event in room.events if isinstance(event, ToolBegun)]


async def test_a_turn_that_is_interrupted_as_it_becomes_certain_changes_nothing() -> None:
    ran: list[str] = []
    room = ahead_room(nested(tool("book", ran, certain=True)))
    call = room.call()
    call.hear(partial("book it"))
    await pause()
    call.hear(request(2, "book it"))
    call.hear(interrupt(2))
    await pause()
    await settle(room, 1)
    await call.close()
    assert ran == []


async def test_an_action_of_an_answer_that_was_never_asked_for_is_not_done() -> None:
    room = ahead_room(lambda voice: voice.request(Action("end_call")), "Bye!", goodbye_timeout=0.01)
    call = room.call()
    call.hear(partial("bye"))
    await pause()
    room.agent = ScriptedAgent("Yes?")
    call.hear(request(2, "buy"))
    await settle(room, 1)
    call.hear(played(2))
    await asyncio.sleep(0.4)
    assert actions(room) == []
    await call.close()


async def test_an_action_of_an_answer_begun_ahead_follows_its_words() -> None:
    room = ahead_room(lambda voice: voice.request(END), "Bye!")
    call = room.call()
    call.hear(partial("bye"))
    await pause()
    call.hear(request(2, "bye"))
    await settle(room, 1)
    assert actions(room) == []
    call.hear(played(2))
    await until(lambda: bool(actions(room)))
    await call.close()


# ── the rest of the call ─────────────────────────────────────────────────────────────────────────


async def test_an_answer_that_is_said_again_on_a_new_socket_drops_the_draft() -> None:
    room = ahead_room("One.")
    lost = room.call()
    lost.hear(start(stream_id=1))
    lost.hear(request(2, "first"))
    await settle(room, 2)
    await lost.close()
    call = room.call()
    call.hear(start(stream_id=3))
    await settle(room, 3)
    call.hear(partial("first"))
    await begun(room, 2)
    call.hear(request(4, "first"))
    await settle(room, 4)
    assert room.setup.ahead["miss"] == 1
    await call.close()

    assert room.line.said(4).strip() == "One."
    assert room.line.endings(4) == 1
    assert room.setup.ahead["hit"] == 0


async def test_a_request_that_is_not_acted_on_leaves_the_draft_alone() -> None:
    room = ahead_room("One.")
    call = room.call()
    call.hear(request(2, "first"))
    await settle(room, 1)
    call.hear(partial("second"))
    await begun(room, 2)
    call.hear(request(2, "first"))  # a duplicate
    call.hear(request(1, "old"))
    call.hear(request(3, "first", "One.", "second"))
    await settle(room, 2)
    await call.close()
    assert room.setup.ahead == {"hit": 1}


async def test_another_call_on_the_socket_gets_nothing_of_the_draft() -> None:
    room = ahead_room("One.")
    call = room.call()
    call.hear(start("first", stream_id=1))
    await settle(room, 1)
    call.hear(partial("hello"))
    await begun(room)
    call.hear(start("second", stream_id=1))
    await settle(room, 2)
    call.hear(request(2, "hello"))
    await settle(room, 3)
    async with asyncio.timeout(20):
        await call.close()

    assert [brief.call.session_id for brief in room.agent.briefs] == ["first", "second"]
    assert room.setup.ahead["miss"] == 1


async def test_a_draft_from_before_the_start_of_the_call_is_dropped() -> None:
    room = ahead_room("One.", asyncio.Event())
    call = room.call()
    call.hear(partial("hello"))
    await begun(room)
    call.hear(start("first", stream_id=1))
    await settle(room, 1)
    async with asyncio.timeout(20):
        await call.close()
    assert room.setup.ahead["miss"] == 1


async def test_a_hang_up_drops_the_draft() -> None:
    room = ahead_room("One.", asyncio.Event())
    call = room.call()
    call.hear(partial("hello"))
    await begun(room)
    await pause()
    async with asyncio.timeout(20):
        await call.close()
    assert room.line.sent == []
    assert room.events == [CallEnded("hung_up")]
    assert call.ledger.entries == []


# ── at any timing ────────────────────────────────────────────────────────────────────────────────


async def _one_trial(gap: int, offset: int, ticks: int, then: str, later: int) -> None:
    room = ahead_room("a", gap, "b", gap, "c", gap, "d", line=Line(ticks))
    call = Call(room.line, room.setup)
    call.hear(partial("one"))
    for _ in range(offset):
        await asyncio.sleep(0)
    assert room.line.sent == []
    call.hear(request(2, "another" if then == "drop" else "one"))
    for _ in range(later):
        await asyncio.sleep(0)
    over, sent = room.line.endings(2) == 1, len(room.line.frames(2))
    turns = 1
    if then == "interrupt":
        call.hear(interrupt(2))
    elif then == "supersede":
        call.hear(request(3, "two"))
        turns = 2
    await until(lambda: len(room.ended()) == turns)
    await call.close()

    frames = room.line.frames(2)
    if then in {"interrupt", "supersede"}:
        assert len(frames) == sent, "a frame left after the fence"
        assert room.line.endings(2) == int(over)
        assert "abcd".startswith(room.line.said(2))
        first = next(ended for ended in room.ended() if ended.stream_id == 2)
        assert first.said == room.line.said(2), "only what was sent counts as said"
    else:
        assert room.line.said(2) == "abcd"
        assert room.line.endings(2) == 1
        assert frames[-1].data.end_of_stream
    if then == "supersede":
        assert room.line.said(3) == "abcd"
        assert room.line.endings(3) == 1
    began = [event.stream_id for event in room.events if isinstance(event, TurnBegan)]
    assert began == [2, 3][:turns]


@pytest.mark.parametrize("then", ["speak", "drop", "interrupt", "supersede"])
@pytest.mark.parametrize("ticks", [0, 2])
async def test_no_timing_of_the_request_loses_a_word_their_order_or_the_ending(
    ticks: int, then: str
) -> None:
    for gap in (0, 1, 3):
        for offset in range(0, 24):
            for later in (0, 1, 2, 5, 9) if then in {"interrupt", "supersede"} else (0,):
                await _one_trial(gap, offset, ticks, then, later)
