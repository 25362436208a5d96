"""Real calls, recorded by a bridge, and replayed to another."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.cli.rehearser import Manner
from bridge.store.shapes import CallDetail
from tests.cli.commands import CLOCK, bridge
from tests.cli.rehearsals import BOOK, LOOK, Theatre, asks, what_differs
from tests.fake_openai.client import FakeOpenAI
from tests.wire import came_true, dialled, noted

TODAY = Manner(fast=True)


@pytest.fixture
def theatre(tmp_path: Path, openai: FakeOpenAI) -> Theatre:
    theatre = Theatre(tmp_path, openai)
    theatre.tool("look", LOOK)
    theatre.tool("book", BOOK)
    return theatre


async def booked(theatre: Theatre) -> None:
    """Script: one turn that looks, one that books, one of words only."""
    await theatre.openai.script(
        asks("look", day="Friday"),
        {"say": "Table four is free."},
        asks("book", table=4),
        {"say": "It is booked."},
        {"say": "Goodbye then."},
    )


async def booking(theatre: Theatre, **settings: object) -> list[CallDetail]:
    """Record a call of three turns."""
    await booked(theatre)
    async with theatre.bridge(**settings) as there:
        async with theatre.call(there) as wire:
            one = await wire.asked(1, "Friday?")
            two = await wire.asked(2, "Friday?", one, "Book it.")
            await wire.asked(3, "Friday?", one, "Book it.", two, "Bye.")
        return await theatre.record_of(there)


# ── against the recorded answers ─────────────────────────────────────────────────────────────────


async def test_an_unchanged_bridge_does_the_same_again(theatre: Theatre) -> None:
    calls = await booking(theatre)
    asked = len(await theatre.openai.requests())

    report = await theatre.replay(calls)

    assert [what_differs(turn) for turn in report.turns] == [set()] * 4
    assert [turn.asked for turn in report.turns] == ["", "Friday?", "Book it.", "Bye."]
    assert not report.differs
    assert report.summary.same == report.summary.turns == 4
    assert len(await theatre.openai.requests()) == asked, "no model is asked"
    assert noted(theatre.folder, "looked") == ["Friday"] * 2, "it only reads"
    assert noted(theatre.folder, "booked") == ["4"], "it was not booked again"


async def test_other_words_of_the_bridge_are_a_difference(theatre: Theatre) -> None:
    calls = await booking(theatre)
    theatre.prompt("greeting", "Good morning!")

    report = await theatre.replay(calls)

    assert [what_differs(turn) for turn in report.turns] == [{"words"}, set(), set(), set()]
    assert report.turns[0].now is not None
    assert report.turns[0].now.said == "Good morning!"
    assert report.differs


async def test_a_tool_that_fails_today_is_a_difference(theatre: Theatre) -> None:
    calls = await booking(theatre)
    theatre.tool("look", LOOK.replace('return "table 4"', 'raise ToolError("closed")'))

    report = await theatre.replay(calls)

    assert [what_differs(turn) for turn in report.turns][1] == {"tool outcome"}
    assert report.differs


async def test_what_a_tool_reads_from_the_world_may_change(theatre: Theatre) -> None:
    calls = await booking(theatre)
    theatre.tool("look", LOOK.replace("table 4", "table 5"))

    report = await theatre.replay(calls)

    assert [what_differs(turn) for turn in report.turns][1] == {"tool result"}
    assert not report.differs


async def test_a_tool_that_is_gone_is_a_difference(theatre: Theatre) -> None:
    calls = await booking(theatre)
    (theatre.folder / "tools" / "book.py").unlink()

    report = await theatre.replay(calls)

    assert what_differs(report.turns[2]) == {"tool missing"}


async def test_live_tools_do_it_all_again(theatre: Theatre) -> None:
    calls = await booking(theatre)

    report = await theatre.replay(calls, Manner(recorded=True, fast=True, live_tools=True))

    assert not report.differs
    assert noted(theatre.folder, "booked") == ["4", "4"]


async def test_the_recorded_speed_is_kept(theatre: Theatre) -> None:
    await theatre.openai.script([{"sleep_ms": 300}, {"text": "Late."}, {"finish": "stop"}])
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Hello?")
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls, Manner(recorded=True))

    pair = report.summary.first_word_p50_ms
    assert pair.then is not None
    assert pair.now is not None
    assert pair.then >= 300
    assert 0.8 < pair.now / pair.then < 10


async def test_fillers_come_by_the_clock_and_are_no_difference(theatre: Theatre) -> None:
    theatre.settings["filler_after"] = 0.1
    theatre.prompt("fillers", "Let me see.")
    await theatre.openai.script([{"sleep_ms": 300}, {"text": "Four."}, {"finish": "stop"}])
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            assert await wire.asked(1, "How many?") == "Let me see. Four."
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.turns[1].now is not None
    assert report.turns[1].now.said == "Four."


async def test_an_answer_that_was_too_long_is_cut_again(theatre: Theatre) -> None:
    await theatre.openai.script({"say": "One two three four five six."})
    async with theatre.bridge(max_answer_chars=10) as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Count.")
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls, max_answer_chars=10)

    assert not report.differs
    assert report.turns[1].then.said == "One two th"


async def test_an_answer_that_broke_off_breaks_off_again(theatre: Theatre) -> None:
    await theatre.openai.script([{"text": "I will look. "}, {"cut": True}])
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Look.")
        calls = await theatre.record_of(there)
    assert calls[0].timeline[1].outcome == "failed"

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.turns[1].then.said.startswith("I will look.")


async def test_a_draft_is_begun_again_on_the_same_partial_transcript(theatre: Theatre) -> None:
    await theatre.openai.script({"say": "Noon."})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.send(
                {
                    "type": "partial_transcript",
                    "data": {"session_id": "s", "transcript": "what time", "is_final": True},
                }
            )
            await theatre.openai.wait("request_started")
            await wire.asked(1, "Hello, how can I help you?", "What time?")
        calls = await theatre.record_of(there)
    assert calls[0].timeline[1].ahead

    report = await theatre.replay(calls)

    assert not report.differs


# ── against today's model ────────────────────────────────────────────────────────────────────────


async def test_the_model_reads_the_recorded_conversation(theatre: Theatre) -> None:
    calls = await booking(theatre)
    before = len(await theatre.openai.requests())
    await theatre.openai.script(
        asks("look", day="Friday"),
        {"say": "There is one at the window."},
        asks("book", table=4),
        {"say": "Done!"},
        {"say": "Goodbye then."},
    )

    report = await theatre.replay(calls, TODAY)

    assert [what_differs(turn) for turn in report.turns] == [set(), {"words"}, {"words"}, set()]
    assert not report.differs, "a model may choose its words"
    asked = (await theatre.openai.requests())[before:]
    told = [m["content"] for m in asked[2]["body"]["messages"] if m["role"] == "assistant"]
    assert "Table four is free." in told


async def test_another_call_of_a_tool_is_not_run_and_shown(theatre: Theatre) -> None:
    calls = await booking(theatre)
    before = len(await theatre.openai.requests())
    await theatre.openai.script(
        {"say": "I do not know."}, asks("book", table=9), {"say": "Sorry."}, {"say": "Bye."}
    )

    report = await theatre.replay(calls, TODAY)

    assert [what_differs(turn) - {"words"} for turn in report.turns] == [
        set(),
        {"tool missing"},
        {"tool arguments"},
        set(),
    ]
    [tool] = report.turns[2].tools
    assert tool.not_run
    assert tool.now is not None
    assert tool.now.arguments == {"table": 9}
    assert report.differs
    assert noted(theatre.folder, "booked") == ["4"]
    last = (await theatre.openai.requests())[before + 2]
    assert "Not run" in last["body"]["messages"][-1]["content"]


async def test_an_equal_call_gets_the_recorded_result(theatre: Theatre) -> None:
    calls = await booking(theatre)
    theatre.tool("book", BOOK.replace("booked table", "today I would have booked table"))
    before = len(await theatre.openai.requests())
    await booked(theatre)

    report = await theatre.replay(calls, TODAY)

    assert not report.differs
    asked = (await theatre.openai.requests())[before:]
    assert asked[3]["body"]["messages"][-1]["content"] == "booked table 4"


async def test_a_model_that_is_down_is_a_difference(theatre: Theatre) -> None:
    calls = await booking(theatre)
    await booked(theatre)
    await theatre.openai.reset()
    await theatre.openai.script(*[[{"status": 401}]] * 3)

    report = await theatre.replay(calls, TODAY)

    assert "outcome" in what_differs(report.turns[1])
    assert report.turns[1].now is not None
    assert report.turns[1].now.failure == "refused_key"
    assert report.differs


# ── a caller who speaks over the agent ───────────────────────────────────────────────────────────


async def cut_call(theatre: Theatre, **settings: object) -> list[CallDetail]:
    """Record a call whose second turn is cut after a few words, in the middle of its message."""
    story = [{"tokens": ["Once ", "upon ", "a "]}, {"sleep_ms": 400}, {"text": "time."}]
    await theatre.openai.script([*story, {"done": True}], {"say": "Yes?"})
    async with theatre.bridge(**settings) as there:
        async with theatre.call(there) as wire:
            await wire.ask(1, "Tell me a story.")
            while "a " not in wire.said(1):
                await wire.next()
            await wire.interrupt(1)
            await wire.settled()
            await wire.asked(2, "Tell me a story.", "Once upon", "Stop!")
        return await theatre.record_of(there)


@pytest.mark.parametrize("record", ["full", "text"])
async def test_an_interrupted_turn_is_interrupted_again(theatre: Theatre, record: str) -> None:
    calls = await cut_call(theatre, record=record)
    assert calls[0].level == record

    report = await theatre.replay(calls)

    assert not report.differs
    assert [turn.now.outcome for turn in report.turns if turn.now] == [
        "complete",
        "interrupted",
        "complete",
    ]
    assert report.turns[1].then.said == "Once upon a"


async def test_it_comes_after_as_many_words_of_a_longer_answer(theatre: Theatre) -> None:
    calls = await cut_call(theatre)
    words = [f"{number} " for number in range(200)]
    await theatre.openai.script(
        [{"sleep_ms": 300}, {"tokens": words, "gap_ms": 10}, {"finish": "stop"}]
    )

    report = await theatre.replay(calls, TODAY)

    now = report.turns[1].now
    assert now is not None
    assert now.outcome == "interrupted"
    assert len("Once upon a") <= len(now.said) < 60


async def test_it_comes_after_a_shorter_answer_which_is_no_difference(theatre: Theatre) -> None:
    calls = await cut_call(theatre)
    await theatre.openai.script({"say": "Once."}, {"say": "Yes?"})

    report = await theatre.replay(calls, TODAY)

    now = report.turns[1].now
    assert now is not None
    assert (now.outcome, now.said) == ("complete", "Once.")
    assert not report.differs


async def test_it_may_come_after_as_long_as_then(theatre: Theatre) -> None:
    calls = await cut_call(theatre)
    await theatre.openai.script([{"sleep_ms": 900}, {"text": "Late."}, {"finish": "stop"}])

    report = await theatre.replay(calls, Manner(interrupts="time"))

    now = report.turns[1].now
    assert now is not None
    assert (now.outcome, now.said) == ("interrupted", "")


async def test_one_before_the_first_word_comes_after_as_long_as_then(theatre: Theatre) -> None:
    await theatre.openai.script([{"stall": True}], {"say": "Yes?"})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.ask(1, "Tell me a story.")
            await theatre.openai.wait("request_started")
            await asyncio.sleep(0.15)
            await wire.interrupt(1)
            await wire.asked(2, "Tell me a story.", "", "Stop!")
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.turns[1].now is not None
    assert report.turns[1].now.outcome == "interrupted"


async def test_a_newer_request_takes_over_again(theatre: Theatre) -> None:
    await theatre.openai.script(
        [{"text": "One "}, {"sleep_ms": 500}, {"text": "two."}, {"done": True}], {"say": "Three."}
    )
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.ask(1, "Count.")
            await wire.first_word(1)
            await wire.asked(2, "Count. On.")
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls)

    assert not report.differs
    assert [turn.now.outcome for turn in report.turns if turn.now] == [
        "complete",
        "superseded",
        "complete",
    ]


async def test_a_tool_that_outlives_its_turn_is_waited_for_as_then(theatre: Theatre) -> None:
    theatre.tool("book", BOOK.replace("    note(", "    await asyncio.sleep(0.3)\n    note("))
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.ask(1, "Book it.")
            await theatre.openai.wait("finished")
            await asyncio.sleep(0.1)
            await wire.interrupt(1)
            await came_true(lambda: noted(theatre.folder, "booked"))
            await asyncio.sleep(0.05)
            await wire.asked(2, "Book it.", "", "Well?")
        calls = await theatre.record_of(there)
    assert calls[0].timeline[1].tool_runs[0].outcome == "ok"
    before = len(await theatre.openai.requests())
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."})

    report = await theatre.replay(calls, Manner())

    assert not report.differs
    asked = (await theatre.openai.requests())[before:]
    assert any("booked table 4" in str(m["content"]) for m in asked[-1]["body"]["messages"])


# ── whole calls ──────────────────────────────────────────────────────────────────────────────────


async def test_silence_is_skipped_unless_it_is_kept(theatre: Theatre) -> None:
    await theatre.openai.script({"say": "One."}, {"say": "Two."})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Count.")
            await asyncio.sleep(1.0)
            await wire.asked(2, "Count.", "One.", "On.")
        calls = await theatre.record_of(there)
    now = asyncio.get_running_loop().time

    began = now()
    await theatre.replay(calls)
    quick = now() - began
    began = now()
    await theatre.replay(calls, Manner(recorded=True, fast=True, real_time=True))
    slow = now() - began

    assert slow - quick > 0.5


@pytest.mark.parametrize("told", [True, False])
async def test_a_call_that_the_agent_ends_is_ended_again(theatre: Theatre, told: bool) -> None:
    theatre.settings["goodbye_timeout"] = 5.0 if told else 0.1
    await theatre.openai.script(asks("end_call"), {"say": "Goodbye!"})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Bye.")
            if told:
                data = {"session_id": "s", "stream_id": 1}
                await wire.send({"type": "playback_finished", "data": data})
            while wire.got[-1]["type"] != "end_call":
                await wire.next()
        calls = await theatre.record_of(there)
    assert calls[0].ending == "ended"

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.ends[0].now == "ended"


async def test_a_call_that_the_agent_does_not_end_today_is_a_difference(
    theatre: Theatre,
) -> None:
    await theatre.openai.script(asks("end_call"), {"say": "Goodbye!"})
    async with theatre.bridge(goodbye_timeout=0.1) as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Bye.")
            while wire.got[-1]["type"] != "end_call":
                await wire.next()
        calls = await theatre.record_of(there)

    report = await theatre.replay(calls, goodbye_timeout=30.0)

    assert [what_differs(turn) for turn in report.turns] == [set(), set()]
    [end] = report.ends
    assert (end.then, end.now, end.differs) == ("ended", "hung_up", True)
    assert report.differs


async def test_a_caller_who_hung_up_in_an_answer_hangs_up_in_it_again(theatre: Theatre) -> None:
    await theatre.openai.script([{"text": "Once upon "}, {"stall": True}])
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.ask(1, "Tell me a story.")
            await wire.first_word(1)
        calls = await theatre.record_of(there)
    assert calls[0].timeline[1].outcome == "hung_up"

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.turns[1].now is not None
    assert report.turns[1].now.outcome == "hung_up"


async def test_turns_after_todays_end_of_the_call_are_missing(theatre: Theatre) -> None:
    calls = await booking(theatre)
    frames = [*(calls[0].frames or ())]
    played = {"type": "playback_finished", "data": {"session_id": "s", "stream_id": 1}}
    second = next(
        i for i, f in enumerate(frames) if f.message.get("data", {}).get("stream_id") == 2
    )
    later = [f.model_copy(update={"at_ms": f.at_ms + 200}) for f in frames[second:]]
    heard = frames[second].model_copy(update={"message": played})
    frames = [*frames[:second], heard, *later]
    calls = [calls[0].model_copy(update={"frames": tuple(frames)})]
    await theatre.openai.script(asks("end_call"), {"say": "Goodbye!"})

    report = await theatre.replay(calls, TODAY)

    assert [turn.now is None for turn in report.turns] == [False, False, True, True]
    assert report.differs


async def test_a_call_that_was_dialled_again_goes_on_where_it_was(theatre: Theatre) -> None:
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."}, {"say": "Four."})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            one = await wire.asked(1, "Book it.")
        await theatre.record_of(there)
        async with dialled(there) as wire:
            await wire.start(None, "s")
            await wire.asked(2, "Book it.", one, "Which table?")
        calls = await theatre.record_of(there)
    assert len(calls) == 2
    before = len(await theatre.openai.requests())
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."}, {"say": "Four."})

    report = await theatre.replay(calls, TODAY)

    assert not report.differs
    assert [turn.connection for turn in report.turns] == [1, 1, 2]
    last = (await theatre.openai.requests())[before + 2]
    assert "booked table 4" in str(last["body"]["messages"]), "the ledger went on, too"


async def test_a_session_that_was_used_again_much_later_begins_anew(theatre: Theatre) -> None:
    calls = await booking(theatre)
    began = calls[0].started_at + timedelta(hours=1)
    times = {"started_at": began, "ended_at": began + timedelta(seconds=10)}
    again = calls[0].model_copy(update=times)

    report = await theatre.replay([*calls, again])

    assert not report.differs
    assert [turn.connection for turn in report.turns] == [1] * 4 + [2] * 4
    assert report.turns[5].now is not None
    assert report.turns[5].now.said == "Table four is free."


async def test_only_the_words_are_needed(theatre: Theatre) -> None:
    calls = await booking(theatre, record="text")
    assert calls[0].frames is None

    report = await theatre.replay(calls)

    assert not report.differs
    assert "made from the turns" in report.notes[0]


# ── who answers, and tools that speak ────────────────────────────────────────────────────────────


async def test_what_a_tool_says_itself_is_no_difference_where_it_is_not_run(
    theatre: Theatre,
) -> None:
    theatre.tool(
        "book",
        """
        @tool
        async def book(table: int, runtime: ToolRuntime[CallContext]) -> str:
            '''Book a table.'''
            await runtime.context.say("I am booking it now.")
            return "booked"
        """,
    )
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."})
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            await wire.asked(1, "Book it.")
        calls = await theatre.record_of(there)
    assert calls[0].timeline[1].said == "I am booking it now. It is booked."

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.turns[1].now is not None
    assert report.turns[1].now.said == "It is booked."


async def test_a_caller_who_had_to_agree_agrees_again(theatre: Theatre) -> None:
    confirmed = BOOK.replace("@tool", "@policy(confirm='Shall I book {table}?')\n@tool")
    theatre.tool("book", "from bridge import policy\n" + confirmed)
    script = asks("book", table=4), asks("book", table=4), {"say": "It is booked."}
    await theatre.openai.script(*script)
    async with theatre.bridge() as there:
        async with theatre.call(there) as wire:
            one = await wire.asked(1, "Book it.")
            await wire.asked(2, "Book it.", one, "Yes.")
        calls = await theatre.record_of(there)
    assert "Shall I book 4?" in one
    assert [run.outcome for turn in calls[0].timeline for run in turn.tool_runs] == [
        "refused",
        "ok",
    ]

    recorded = await theatre.replay(calls)
    await theatre.openai.script(*script)
    today = await theatre.replay(calls, TODAY)

    for report in (recorded, today):
        assert [what_differs(turn) for turn in report.turns] == [set()] * 3
    assert noted(theatre.folder, "booked") == ["4"]


def with_personas(theatre: Theatre) -> None:
    """A persona that has its own token, and one whose tools are only read."""
    theatre.settings["token"] = "everybodys"
    theatre.settings["personas"] = {
        "sales": {"token": "sales-only", "model": "openai:sales", "greeting": "off"},
        "reading": {"tools": {"book": {"read_only": True}}},
    }


@pytest.mark.parametrize(
    ("persona", "token", "booked"),
    [
        ("default", "everybodys", ["4"]),
        ("sales", "sales-only", ["4"]),
        ("reading", "everybodys", ["4", "4"]),
    ],
)
async def test_the_persona_that_answered_answers_again(
    theatre: Theatre, persona: str, token: str, booked: list[str]
) -> None:
    with_personas(theatre)
    path = "/millis" if persona == "default" else f"/millis/{persona}"
    await theatre.openai.script(asks("book", table=4), {"say": "It is booked."})
    async with theatre.bridge() as there:
        headers = {"Authorization": f"Bearer {token}"}
        async with dialled(there, path, headers=headers) as wire:
            await wire.start(0, "s")
            await wire.answer(0)
            await wire.asked(1, "Book it.")
        calls = await theatre.record_of(there)
    assert calls[0].persona == persona

    report = await theatre.replay(calls)

    assert not report.differs
    assert report.notes == ("what was recorded came at once, so times say nothing about speed",)
    assert noted(theatre.folder, "booked") == booked, "its own table says whether it only reads"


async def test_another_persona_that_answers_today_is_told(theatre: Theatre) -> None:
    calls = [call.model_copy(update={"persona": "gone"}) for call in await booking(theatre)]

    report = await theatre.replay(calls)

    assert "the persona default has answered; then it was gone" in report.notes


async def test_a_model_that_is_asked_for_answers_for_every_persona(theatre: Theatre) -> None:
    calls = [call.model_copy(update={"persona": "sales"}) for call in await booking(theatre)]
    with_personas(theatre)
    before = len(await theatre.openai.requests())

    report = await theatre.replay(
        calls, Manner(fast=True, model="openai:other"), model="openai:other"
    )

    assert report.model == "openai:other"
    asked = (await theatre.openai.requests())[before:]
    assert {request["body"]["model"] for request in asked} == {"other"}


# ── the command ──────────────────────────────────────────────────────────────────────────────────


ASKED = "What time is it? \x1b[31m[bold]\x9b2J"


async def chatted(theatre: Theatre, **settings: object) -> None:
    """Record a call with the demo model, where the command will look for it."""
    theatre.tool("book", CLOCK)
    async with theatre.bridge(model="demo", **settings) as there:
        async with theatre.call(there) as wire:
            one = await wire.asked(1, ASKED)
            await wire.asked(2, ASKED, one, "Thank you")
        await theatre.record_of(there)


async def test_the_command_shows_what_differs(theatre: Theatre) -> None:
    await chatted(theatre)
    theatre.prompt("greeting", "Hello, what can I help you with?")

    ran = await bridge("replay", "s", "--recorded", "--fast", cwd=theatre.folder)

    assert ran.code == 1, ran.err
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0] == "s against the recorded answers"
    assert "caller  What time is it? [bold]" in ran.out
    assert "\x9b" not in ran.out
    words = next(line for line in lines if line.startswith("words"))
    assert words == "words   Hello, [-how-] {+what+} can I help [-you?-] {+you with?+}"
    assert "\x1b" not in ran.out
    assert lines[-1].startswith("3 turns: 2 the same · 1 with other words")


async def test_the_command_prints_json_of_a_call_that_went_on_from_another(
    theatre: Theatre,
) -> None:
    await theatre.openai.script({"say": "Your code is blue."}, {"say": "It was blue."})
    async with theatre.bridge() as there:
        async with theatre.call(there, "first", agent_id="a") as wire:
            await wire.asked(1, "My code?")
        await theatre.record_of(there, "first")
        data = {"agent_id": "a", "session_continuation": {"session_id": "first"}}
        async with theatre.call(there, "s", **data) as wire:
            await wire.asked(1, "Which one was it?")
        await theatre.record_of(there)
    await theatre.openai.script({"say": "It was blue."})
    before = len(await theatre.openai.requests())

    ran = await bridge(
        *("replay", "s", "--json", "--model", "openai:fake"),
        cwd=theatre.folder,
        OPENAI_BASE_URL=theatre.openai.base_url,
        OPENAI_API_KEY="sk-test",
    )

    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert report["model"] == "openai:fake"
    assert report["differs"] is False
    assert [turn["same"] for turn in report["turns"]] == [True] * 2
    assert report["turns"][1]["then"]["said"] == report["turns"][1]["now"]["said"]
    [asked] = (await theatre.openai.requests())[before:]
    assert "Your code is blue." in asked["body"]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("session", "reason"), [("s", "no words were kept"), ("other\x1b[2J", "no call 'other' on rec")]
)
async def test_what_cannot_be_replayed_is_told_in_one_line(
    theatre: Theatre, session: str, reason: str
) -> None:
    await chatted(theatre, record="metadata")

    ran = await bridge("replay", session, cwd=theatre.folder)

    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err
    assert ran.err.count("\n") == 1


async def test_without_a_record_nothing_can_be_replayed(tmp_path: Path) -> None:
    ran = await bridge("replay", "s", cwd=tmp_path)

    assert ran.code == 2
    assert "no record yet" in ran.err
