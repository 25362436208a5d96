"""The script of a recorded call, playing it, and telling what differs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from bridge.local.door import Door
from bridge.local.replay import Pace, play
from bridge.local.replay_compare import end_of, summed_up, turn_differences
from bridge.local.replay_script import Cue, Script, script_of
from bridge.store.shapes import CallDetail, Frame, ToolRun, Turn
from tests.local.scripted_bridge import CLOSE, END, END_CALL, INTERRUPT, ScriptedBridge

BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def turn(number: int, place: int, said: str = "Yes.", /, **more: Any) -> Turn:
    """A turn that began every second, with its first word after 100 ms and its last after 200."""
    fields = {
        "stream_id": str(number - 1),
        "at_ms": 1000 * (number - 1),
        "ahead": False,
        "asked": f"line {place}" if place >= 0 else "",
        "said_chars": len(said),
        "outcome": "complete",
        "first_frame_ms": 100,
        "last_frame_ms": 200,
        "tools_ms": 0,
        **more,
    }
    return Turn(number=number, place=place, said=said, **fields)


def run(name: str = "book", /, **more: Any) -> ToolRun:
    fields: dict[str, Any] = {"id": name, "turn": 2, "at_ms": 1100, "duration_ms": 50}
    fields |= {"arguments": {"table": 4}, "outcome": "ok", "result": "booked", **more}
    return ToolRun(name=name, **fields)


def call(*turns: Turn, frames: Sequence[Frame] | None = None, **more: Any) -> CallDetail:
    fields: dict[str, Any] = {
        "level": "full",
        "ended_at": BEGAN + timedelta(seconds=10),
        "state": "ended",
        "ending": "hung_up",
        "metadata": {"name": "Ada"},
        "caller": "+1",
        "called": "+2",
        **more,
    }
    counts = dict.fromkeys(
        ("turns", "interrupted", "failed", "tools", "slowest_ms", "tokens_in", "tokens_out"), 0
    )
    return CallDetail(
        id="c",
        session_id="s",
        agent_id="a",
        replica="r",
        started_at=BEGAN,
        timeline=turns,
        frames=None if frames is None else tuple(frames),
        **counts,
        **fields,
    )


def heard(at_ms: int, kind: str, **data: Any) -> Frame:
    return Frame(at_ms=at_ms, way="in", message={"type": kind, "data": data})


def sent(at_ms: int, stream_id: int, content: str = "", *, end: bool = False) -> Frame:
    data = {"stream_id": stream_id, "content": content, "end_of_stream": end}
    return Frame(at_ms=at_ms, way="out", message={"type": "stream_response", "data": data})


def interrupt(at_ms: int, stream_id: int) -> Frame:
    message = {"type": "interrupt", "stream_id": stream_id}
    return Frame(at_ms=at_ms, way="in", message=message)


def asked(at_ms: int, stream_id: int, *lines: str) -> Frame:
    roles = ("user", "assistant")
    said = [
        {"role": roles[(len(lines) - 1 - i) % 2], "content": text} for i, text in enumerate(lines)
    ]
    return heard(at_ms, "stream_request", stream_id=stream_id, transcript=said)


START = heard(0, "start_call", stream_id=0, session_id="s", agent_id="a")
GREETED = [START, sent(0, 0, "Hello!"), sent(10, 0, end=True)]
OPENING = turn(1, -1, "Hello!")


def kinds(script: Script) -> list[str]:
    return [str(cue.message["type"]) if cue.message else "hang up" for cue in script.cues]


def timing(cue: Cue) -> tuple[int | None, bool, int]:
    return cue.stream, cue.over, cue.ms


# ── the script, from frames ──────────────────────────────────────────────────────────────────────


def test_what_came_after_an_answer_waits_for_its_end() -> None:
    frames = [
        *GREETED,
        heard(900, "playback_finished", session_id="s", stream_id=0),
        asked(1000, 1, "line 0"),
        sent(1100, 1, "Yes."),
        sent(1200, 1, end=True),
    ]
    script = script_of(call(OPENING, turn(2, 0), frames=frames))

    assert kinds(script) == ["playback_finished", "stream_request", "hang up"]
    assert [timing(cue) for cue in script.cues] == [(0, True, 890), (0, True, 990), (1, True, 8800)]
    assert [cue.answered for cue in script.cues] == [False, True, False]
    assert script.start == START.message["data"]
    assert script.whole


def test_what_came_within_an_answer_is_timed_by_its_request_and_its_words() -> None:
    frames = [
        *GREETED,
        asked(1000, 1, "line 0"),
        sent(1100, 1, "Once upon "),
        sent(1150, 1, "a time"),
        interrupt(1300, 1),
        asked(2000, 2, "line 0", "Once", "line 1"),
        sent(2100, 2, end=True),
    ]
    cut = turn(2, 0, "Once upon a time", outcome="interrupted")
    script = script_of(call(OPENING, cut, turn(3, 1), frames=frames))

    assert kinds(script)[1:3] == ["interrupt", "stream_request"]
    assert timing(script.cues[1]) == (1, False, 300)
    assert script.cues[1].letters == len("Onceuponatime")
    assert timing(script.cues[2]) == (1, True, 700), "the answer was over when it was cut"


def test_the_pause_after_a_partial_transcript_is_kept_and_silence_is_not() -> None:
    frames = [
        *GREETED,
        heard(5000, "partial_transcript", transcript="line"),
        heard(5400, "partial_transcript", transcript="line 0", is_final=True),
        asked(5900, 1, "line 0"),
        sent(6000, 1, end=True),
    ]
    script = script_of(call(OPENING, turn(2, 0), frames=frames))

    assert [cue.pause for cue in script.cues] == [0, 400, 500, 0]


def test_a_request_that_came_twice_is_answered_once() -> None:
    frames = [*GREETED, asked(1000, 1, "line 0"), asked(1050, 1, "line 0"), sent(1200, 1, end=True)]
    script = script_of(call(OPENING, turn(2, 0), frames=frames))

    assert [cue.answered for cue in script.cues] == [True, False, False]


def test_a_request_that_no_turn_answered_is_left_out() -> None:
    frames = [*GREETED, asked(1000, 1, "line 0"), sent(1200, 1, end=True), asked(2000, 2, "lost")]
    ending = {"state": "aborted", "ending": "aborted"}
    script = script_of(call(OPENING, turn(2, 0), frames=frames, **ending))

    assert kinds(script) == ["stream_request", "hang up"]
    assert script.cues[-1].over


def test_a_caller_who_hung_up_in_an_answer_hangs_up_in_it() -> None:
    frames = [*GREETED, asked(1000, 1, "line 0"), sent(1100, 1, "Well")]
    cut = turn(2, 0, "Well", outcome="hung_up")
    script = script_of(
        call(OPENING, cut, frames=frames, ended_at=BEGAN + timedelta(milliseconds=1300))
    )

    assert timing(script.cues[-1]) == (1, False, 300)
    assert script.cues[-1].letters == 4


def test_a_message_that_came_while_a_tool_ran_does_not_wait_for_tools() -> None:
    frames = [*GREETED, asked(1000, 1, "line 0"), interrupt(1120, 1), asked(1300, 2, "line 0", "x")]
    cut = turn(2, 0, "", outcome="interrupted", tool_runs=(run(),))
    script = script_of(call(OPENING, cut, turn(3, 1), frames=frames))

    assert [cue.idle for cue in script.cues] == [True, False, True, True]


def test_a_call_that_began_without_being_told_who_calls_gets_no_greeting() -> None:
    frames = [asked(0, 1, "line 0"), sent(200, 1, end=True), START]
    script = script_of(call(turn(2, 0), frames=frames))

    assert script.start["stream_id"] is None
    assert script.start["agent_id"] == "a"


# ── the script, from turns ───────────────────────────────────────────────────────────────────────


def transcripts(script: Script) -> list[list[str]]:
    return [
        [line["content"] for line in cue.message["data"]["transcript"]]
        for cue in script.cues
        if cue.message and cue.message["type"] == "stream_request"
    ]


def test_without_frames_the_conversation_is_put_together_from_the_turns() -> None:
    turns = [
        turn(1, -1, "Hello!", heard="Hello!"),
        turn(2, 0, "One moment. It is four.", outcome="interrupted", heard="One moment."),
        turn(3, 1, "I see.", outcome="superseded"),
        turn(4, 1, "I see now.", heard="I see now."),
        turn(5, 2, "Bye."),
    ]
    script = script_of(call(*turns, level="text"))

    assert not script.whole
    assert script.start["metadata"] == {"name": "Ada"}
    assert script.start["voip"] == {"from": "+1", "to": "+2"}
    assert script.start["stream_id"] == 0
    assert kinds(script) == [
        "playback_finished",
        "stream_request",
        "interrupt",
        "stream_request",
        "stream_request",
        "playback_finished",
        "stream_request",
        "hang up",
    ]
    assert transcripts(script)[0] == ["Hello!", "line 0"]
    assert transcripts(script)[2] == ["Hello!", "line 0", "One moment.", "line 1"]
    assert transcripts(script)[3][-2:] == ["I see now.", "line 2"]
    assert [cue.over for cue in script.cues][2] is False
    assert [cue.over for cue in script.cues][4] is False, "a newer request cut the older turn"


def test_an_answer_cut_while_it_was_played_is_interrupted_after_its_end() -> None:
    played = turn(2, 0, "It is four.", heard="It is", heard_chars=5)
    script = script_of(call(OPENING, played, turn(3, 1), level="text"))

    assert kinds(script) == ["stream_request", "interrupt", "stream_request", "hang up"]
    assert timing(script.cues[1]) == (1, True, 0)


def test_a_cut_before_the_first_word_comes_before_the_next_request() -> None:
    silent = {"outcome": "interrupted", "first_frame_ms": None, "last_frame_ms": None}
    script = script_of(call(OPENING, turn(2, 0, "", **silent), turn(3, 1), level="text"))

    assert timing(script.cues[1]) == (1, False, 1000)
    assert script.cues[1].letters == 0


def test_a_cut_comes_before_the_next_request_whatever_whole_milliseconds_say() -> None:
    cut = turn(1, 0, "Once", outcome="interrupted", at_ms=10, last_frame_ms=12)
    script = script_of(call(cut, turn(2, 1, at_ms=21)))
    assert kinds(script)[:3] == ["stream_request", "interrupt", "stream_request"]


def test_frames_of_which_some_are_lost_are_not_used() -> None:
    script = script_of(call(OPENING, turn(2, 0), frames=GREETED))

    assert not script.whole
    assert kinds(script) == ["stream_request", "hang up"]


def test_a_call_without_its_words_has_no_script() -> None:
    with pytest.raises(ValueError, match="no words were kept"):
        script_of(call(OPENING, level="metadata"))


# ── playing it ───────────────────────────────────────────────────────────────────────────────────


async def no_tools() -> None:
    """None runs."""


async def played(bridge: ScriptedBridge, script: Script, pace: Pace | None = None) -> float:
    """Play a script; the seconds that it took."""
    now = asyncio.get_running_loop().time
    began = now()
    await play(Door.read(bridge.url), script, pace or Pace(patience=5), no_tools)
    return now() - began


CONVERSATION = [
    *GREETED,
    asked(1000, 1, "one"),
    sent(1100, 1, "Once upon a "),
    interrupt(1200, 1),
    asked(2000, 2, "one", "Once", "two"),
    sent(2100, 2, "Two."),
    sent(2200, 2, end=True),
]
TURNS = (
    OPENING,
    turn(2, 0, "Once upon a ", outcome="interrupted"),
    turn(3, 1, "Two."),
)
STORY = ["Once ", "upon ", "a ", INTERRUPT]


async def test_the_recorded_messages_are_sent_as_they_were() -> None:
    script = script_of(call(*TURNS, frames=CONVERSATION))
    async with ScriptedBridge({"": ["Hello!", END], "one": STORY, "two": ["Two.", END]}) as bridge:
        took = await played(bridge, script)

    sent = [frame.message for frame in CONVERSATION if frame.way == "in"]
    assert bridge.received[1:] == sent[1:]
    about = bridge.received[0]["data"]
    assert {name: about[name] for name in ("session_id", "agent_id")} == {
        "session_id": "s",
        "agent_id": "a",
    }
    assert took < 1.7, "nobody waits in silence"


@pytest.mark.parametrize("interrupts", ["words", "time"])
async def test_a_cut_before_the_first_word_comes_when_it_did(
    interrupts: Literal["words", "time"],
) -> None:
    frames = [*GREETED, asked(1000, 1, "one"), interrupt(1400, 1)]
    script = script_of(call(OPENING, turn(2, 0, "", outcome="interrupted"), frames=frames))
    async with ScriptedBridge({"": ["Hello!", END], "one": [INTERRUPT]}) as bridge:
        took = await played(bridge, script, Pace(interrupts=interrupts, patience=5))

    assert 0.4 <= took < 4


async def test_in_real_time_silence_is_kept() -> None:
    script = script_of(
        call(*TURNS, frames=CONVERSATION, ended_at=BEGAN + timedelta(milliseconds=2300))
    )
    async with ScriptedBridge({"": ["Hello!", END], "one": STORY, "two": ["Two.", END]}) as bridge:
        took = await played(bridge, script, Pace(real_time=True, patience=5))

    assert took > 1.7


async def test_an_answer_that_never_ends_is_not_waited_for_for_ever() -> None:
    script = script_of(call(*TURNS, frames=CONVERSATION))
    async with ScriptedBridge({"": ["Hello!"], "one": STORY, "two": ["Two.", END]}) as bridge:
        await played(bridge, script, Pace(patience=0.2))

    assert [message["type"] for message in bridge.received].count("stream_request") == 2


@pytest.mark.parametrize("last", [END_CALL, CLOSE])
async def test_a_call_that_the_bridge_ends_is_over(last: object) -> None:
    script = script_of(call(*TURNS, frames=CONVERSATION))
    async with ScriptedBridge({"": ["Hello!", last]}) as bridge:
        await played(bridge, script)

    assert [message["type"] for message in bridge.received] == ["start_call"]


async def test_tools_are_waited_for_where_none_ran() -> None:
    script = script_of(call(*TURNS, frames=CONVERSATION))
    waited: list[int] = []
    async with ScriptedBridge({"": ["Hello!", END], "one": STORY, "two": ["Two.", END]}) as bridge:

        async def idle() -> None:
            waited.append(len(bridge.received))

        await play(Door.read(bridge.url), script, Pace(patience=5), idle)

    assert waited == [1, 2, 3, 4]


# ── what differs ─────────────────────────────────────────────────────────────────────────────────


def differences(then: Turn, now: Turn, *asides: str) -> set[str]:
    [found] = turn_differences(1, [then], [now], not_run="not run", asides=asides)
    words = {"words"} if found.words_differ else set()
    outcome = {"outcome"} if found.outcome_differs else set()
    return words | outcome | {tool.what for tool in found.tools}


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        (turn(1, 0, "It is four."), turn(1, 0, " It  is four.\n"), set()),
        (turn(1, 0, "It is four."), turn(1, 0, "It is five."), {"words"}),
        (turn(1, 0, "It is"), turn(1, 0, "It is five."), {"words"}),
        (turn(1, 0, "It is", outcome="interrupted"), turn(1, 0, "It is five."), set()),
        (turn(1, 0, "It was", outcome="interrupted"), turn(1, 0, "It is five."), {"words"}),
        (turn(1, 0, "It is five."), turn(1, 0, "It is", outcome="interrupted"), set()),
        (turn(1, 0, "Sorry.", outcome="failed"), turn(1, 0, "Four."), {"words", "outcome"}),
        (turn(1, 0, "", outcome="empty"), turn(1, 0, ""), set()),
    ],
)
def test_words_are_compared_as_far_as_both_go(then: Turn, now: Turn, found: set[str]) -> None:
    assert differences(then, now) == found


def test_a_filler_is_no_word() -> None:
    then, now = turn(1, 0, "One moment. It is four."), turn(1, 0, "It is four. Still there?")

    assert differences(then, now) == {"words"}
    assert differences(then, now, "One moment.", "Still there?") == set()


def test_what_a_tool_said_itself_is_no_word_but_the_models_are() -> None:
    message = {"model": "m", "text": "**Done**, it is four.", "duration_ms": 5}
    then = turn(1, 0, "I look. Done, it is four.", tool_runs=(run(),), messages=(message,))

    assert differences(then, turn(1, 0, "Done, it is four.", tool_runs=(run(),))) == set()
    assert differences(then, turn(1, 0, "I look. Done, it", tool_runs=(run(),))) == {"words"}
    untouched = then.model_copy(update={"tool_runs": ()})
    assert differences(untouched, turn(1, 0, "Done, it is four.")) == {"words"}


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        ([run()], [run(id="x", at_ms=5)], set()),
        ([run()], [], {"missing"}),
        ([], [run()], {"added"}),
        ([run()], [run(arguments={"table": 5})], {"arguments"}),
        ([run()], [run(outcome="failed", result="no")], {"outcome"}),
        ([run()], [run(result="table 4 is yours")], {"result"}),
        ([run("look")], [run("book")], {"missing", "added"}),
        ([run(), run("look")], [run("look"), run()], set()),
        ([run(), run(arguments={"table": 5})], [run(arguments={"table": 5})], {"missing"}),
    ],
)
def test_tools_are_compared_by_name_arguments_and_outcome(
    then: list[ToolRun], now: list[ToolRun], found: set[str]
) -> None:
    assert differences(turn(1, 0, tool_runs=then), turn(1, 0, tool_runs=now)) == found


def test_whether_a_tool_was_stopped_by_the_caller_is_a_matter_of_moments() -> None:
    stopped = turn(1, 0, outcome="interrupted", tool_runs=[run(outcome="cancelled")])
    done = turn(1, 0, outcome="interrupted", tool_runs=[run()])
    failed = turn(1, 0, outcome="interrupted", tool_runs=[run(outcome="failed")])

    assert differences(stopped, done) == set()
    assert differences(failed, done) == {"outcome"}
    complete = stopped.model_copy(update={"outcome": "complete"})
    assert differences(complete, complete.model_copy(update={"tool_runs": (run(),)})) == {"outcome"}


def test_turns_are_matched_by_their_streams_and_one_that_is_not_there_is_missing() -> None:
    then = [turn(1, -1), turn(2, 0), turn(3, 1)]
    found = list(turn_differences(2, then, [then[2], then[0]], not_run=""))

    assert [each.now is None for each in found] == [False, True, False]
    assert found[1].outcome_differs
    assert {each.connection for each in found} == {2}


def test_two_turns_on_one_stream_are_matched_in_their_order() -> None:
    then = [turn(1, 0, "One."), turn(1, 1, "Two.")]
    found = list(turn_differences(1, then, then, not_run=""))

    assert [each.same for each in found] == [True, True]


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ("hung_up", "hung_up", False),
        ("server_stopped", "hung_up", False),
        ("ended", "ended", False),
        ("ended", "transferred", True),
        ("ended", "hung_up", True),
        ("hung_up", "ended", True),
        ("aborted", "ended", False),
        (None, "ended", False),
    ],
)
def test_it_matters_whether_the_agent_ended_the_call(
    then: str | None, now: str, differs: bool
) -> None:
    assert end_of(1, then, now).differs is differs


def test_the_sums_count_turns_and_compare_what_answers_of_both_have() -> None:
    then = [turn(1, -1, first_frame_ms=900), turn(2, 0), turn(3, 1), turn(4, 2)]
    now = [
        turn(1, -1, "Hi.", first_frame_ms=70),
        turn(2, 0, first_frame_ms=300),
        turn(3, 1, tool_runs=[run()]),
    ]
    sums = summed_up(list(turn_differences(1, then, now, not_run="")))

    assert (sums.turns, sums.same) == (4, 1)
    assert (sums.other_words, sums.other_tools, sums.other_outcome) == (1, 1, 1)
    assert (sums.first_word_p50_ms.then, sums.first_word_p50_ms.now) == (100, 200)
