import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.local.answer import Answer, LineLost
from bridge.local.conversation import Conversation
from bridge.local.door import Door
from bridge.local.outside import watched
from bridge.local.playback import at_rate
from bridge.local.speaking import Habits, Interrupted
from bridge.protocol import EndCall, Utterance
from tests.local.scripted_bridge import CLOSE, END, END_CALL, INTERRUPT, Say, Script, ScriptedBridge
from tests.wire import bridge_running, write_tool

pytestmark = pytest.mark.virtual_time

HABITS = Habits(words_per_second=2, final_after=0.2, end_of_turn=0.5, voice=at_rate(2))
"""A word takes half a second, whoever speaks."""
STORY = "Once upon a time there was a queen."
GREETING = ["Hello there!", END]
SCRIPT: Script = {
    "": GREETING,
    "tell me a story": [STORY, END],
    "stop": ["Fine.", END],
    "bye": ["See you soon.", END, END_CALL],
}


@asynccontextmanager
async def talking(
    script: Script = SCRIPT, habits: Habits = HABITS, **about: Any
) -> AsyncIterator[tuple[Conversation, ScriptedBridge]]:
    """Hold a call whose greeting has been heard, where there is one."""
    async with ScriptedBridge(script) as bridge:
        async with Conversation.dial(bridge.url, habits=habits, session_id="s", **about) as talk:
            if "" in script:
                await talk.hear(talk.caller.greeting)
            yield talk, bridge


def told(bridge: ScriptedBridge) -> list[tuple[str, float]]:
    """What the bridge was told after `start_call`, and when."""
    times = [round(at - bridge.times[0], 6) for at in bridge.times]
    kinds = [message["type"] for message in bridge.received]
    return list(zip(kinds, times, strict=True))[1:]


def begins(answer: Answer, since: float) -> Sequence[tuple[str, float]]:
    assert answer.playback is not None
    return [(word.text, round(word.begin - since, 6)) for word in answer.playback.words]


# ── speaking ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_line_is_recognised_word_by_word_and_asked_after_the_end_of_the_turn() -> None:
    async with talking() as (talk, bridge):
        await talk.ask("tell me a story")

        partials = [message["data"] for message in bridge.received_of("partial_transcript")]
        assert partials == [
            {"session_id": "s", "transcript": "tell", "is_final": False},
            {"session_id": "s", "transcript": "tell me", "is_final": False},
            {"session_id": "s", "transcript": "tell me a", "is_final": False},
            {"session_id": "s", "transcript": "tell me a story", "is_final": False},
            {"session_id": "s", "transcript": "tell me a story", "is_final": True},
        ]
        assert told(bridge)[:7] == [
            ("playback_finished", 1.0),
            ("partial_transcript", 1.5),
            ("partial_transcript", 2.0),
            ("partial_transcript", 2.5),
            ("partial_transcript", 3.0),
            ("partial_transcript", 3.2),
            ("stream_request", 3.5),
        ]


async def test_an_impatient_millis_asks_as_soon_as_the_transcript_is_final() -> None:
    async with talking(habits=replace(HABITS, end_of_turn=0.0)) as (talk, bridge):
        await talk.ask("stop")

        assert ("stream_request", 1.7) in told(bridge)


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────


async def test_playback_has_finished_when_the_last_word_is_spoken_not_when_it_was_sent() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await answer.complete()
        sent = asyncio.get_running_loop().time()
        await talk.hear(answer)

        assert asyncio.get_running_loop().time() - sent == pytest.approx(8 * 0.5)
        await talk.say("stop")
        assert bridge.when("playback_finished") == [1.0, 7.5]
        assert bridge.received_of("playback_finished")[1]["data"] == {
            "session_id": "s",
            "stream_id": 2,
        }
        assert bridge.received_of("interrupt") == []


async def test_an_answer_sounds_as_the_bridge_wants_it_to() -> None:
    script: Script = {
        "go": [
            Say("One moment,", flush=True),
            3.0,
            " it is",
            0.5,
            Say(" here.", pause=2000),
            " Done",
            1.0,
            END,
        ]
    }
    async with talking(script) as (talk, _):
        answer = await talk.ask("go")

        assert begins(answer, answer.asked_at) == [
            ("One", 0.0),
            ("moment,", 0.5),
            ("it", 3.5),
            ("is", 4.0),
            ("here.", 4.5),
            ("Done", 7.0),
        ]
        assert answer.first_word == 0.0


async def test_an_answer_without_words_is_played_at_once() -> None:
    async with talking({"": GREETING}) as (talk, bridge):
        await talk.ask("hm")
        await talk.ask("hm")

        assert bridge.when("playback_finished")[:2] == [1.0, 2.0]


async def test_what_is_not_played_when_the_call_ends_is_not_heard() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.ask("bye")

        assert isinstance(talk.caller.action, EndCall)
        assert answer.text == "See you soon."
        assert talk.caller.transcript[-1] == Utterance("user", "bye")
        assert bridge.when("playback_finished") == [1.0]


# ── speaking over the agent ──────────────────────────────────────────────────────────────────────


async def test_a_barge_in_cuts_the_answer_to_the_words_that_were_played() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await talk.hear(await talk.barge_in("stop", words=3))

        assert answer.silenced == "interrupted"
        assert answer.ended  # all of it had been sent
        assert told(bridge)[6:] == [
            ("stream_request", 3.5),
            ("interrupt", 5.5),  # the third word ends at 5.0, the first of the caller's half later
            ("partial_transcript", 5.5),
            ("partial_transcript", 5.7),
            ("stream_request", 6.0),
        ]
        assert bridge.received_of("interrupt") == [{"type": "interrupt", "stream_id": 2}]
        assert bridge.transcript()[2:] == [("assistant", "Once upon a"), ("user", "stop")]
        assert talk.caller.violations == []


async def test_a_barge_in_at_a_second_of_the_answer() -> None:
    script: Script = {**SCRIPT, "tell me a story": [2.0, STORY, END]}
    async with talking(script) as (talk, bridge):
        await talk.say("tell me a story")
        await talk.hear(await talk.barge_in("stop", seconds=1.2))

        assert bridge.when("interrupt") == [3.5 + 2.0 + 1.2 + 0.5]
        assert bridge.transcript()[2:] == [("assistant", "Once upon"), ("user", "stop")]


async def test_words_that_the_bridge_has_not_sent_yet_are_waited_for() -> None:
    script: Script = {**SCRIPT, "tell me a story": ["Once. ", 9.0, "Upon a. ", INTERRUPT]}
    async with talking(script) as (talk, bridge):
        await talk.say("tell me a story")
        await talk.hear(await talk.barge_in("stop", words=2))

        assert bridge.transcript()[2:] == [("assistant", "Once. Upon"), ("user", "stop")]


@pytest.mark.parametrize("how", [{"words": 30}, {"seconds": 30.0}])
async def test_a_barge_in_that_comes_too_late_is_none(how: dict[str, Any]) -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await talk.hear(await talk.barge_in("stop", **how))

        assert answer.silenced is None
        assert bridge.received_of("interrupt") == []
        assert bridge.when("playback_finished")[:2] == [1.0, 7.5]
        assert bridge.transcript()[2:] == [("assistant", STORY), ("user", "stop")]


async def test_a_newer_request_ends_the_playback_of_what_was_sent_before_it() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await answer.complete()
        await asyncio.sleep(1.1)
        await talk.hear(await talk.caller.request("stop"))
        await asyncio.sleep(9)

        assert answer.silenced is None
        assert bridge.transcript()[2:] == [("assistant", "Once upon"), ("user", "stop")]
        assert len(bridge.when("playback_finished")) == 2


async def test_speaking_before_the_first_word_interrupts_an_answer_that_nobody_heard() -> None:
    script: Script = {**SCRIPT, "tell me a story": [INTERRUPT]}
    async with talking(script) as (talk, bridge):
        await talk.say("tell me a story")
        await talk.ask("stop")

        assert bridge.transcript()[1:] == [("user", "tell me a story"), ("user", "stop")]
        assert len(bridge.received_of("interrupt")) == 1


@pytest.mark.parametrize(
    ("interrupted", "line"),
    [
        ("cut", [("assistant", "Once upon")]),
        ("whole", [("assistant", STORY)]),
        ("absent", []),
    ],
)
async def test_the_transcript_keeps_what_millis_is_set_to_keep(
    interrupted: Interrupted, line: list[tuple[str, str]]
) -> None:
    async with talking(habits=replace(HABITS, interrupted=interrupted)) as (talk, bridge):
        await talk.say("tell me a story")
        await talk.hear(await talk.barge_in("stop", words=2))

        assert bridge.transcript()[2:] == [*line, ("user", "stop")]


def test_keep_interruption_message_is_one_of_them() -> None:
    assert HABITS.keeping(True).interrupted == "cut"
    assert HABITS.keeping(False).interrupted == "absent"


async def test_a_cough_stops_the_agent_for_a_while_only() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await asyncio.sleep(1.2)
        await talk.cough(2.0)
        await talk.hear(answer)
        await talk.ask("stop")

        assert bridge.received_of("interrupt") == []
        assert bridge.when("playback_finished")[:2] == [1.0, 7.5 + 2.0]
        assert bridge.transcript()[2:] == [("assistant", STORY), ("user", "stop")]


async def test_a_lost_line_ends_the_listening_and_is_told_to_who_speaks() -> None:
    async with talking({"": GREETING, "hi": ["Well, I ", CLOSE]}) as (talk, _):
        answer = await talk.ask("hi")
        with pytest.raises(LineLost):
            await talk.say("hello?")

        assert answer.lost
        assert talk.caller.close_code == 1012


# ── a real bridge ────────────────────────────────────────────────────────────────────────────────


def door(bridge: Any) -> str:
    return f"ws://127.0.0.1:{bridge.port}/millis"


async def test_a_real_bridge_thinks_ahead_on_what_it_is_told(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo", think_ahead="final") as bridge:
        async with Conversation.dial(door(bridge)) as talk:
            await talk.hear(talk.caller.greeting)
            await talk.ask("What can you do?")
            await talk.ask("Thank you.")

        assert bridge.findings()["thinking_ahead"]["hit"] == 2
        assert talk.caller.violations == []


async def test_a_real_bridge_ends_the_call_once_its_goodbye_was_heard(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with Conversation.dial(door(bridge)) as talk:
            await talk.hear(talk.caller.greeting)
            answer = await talk.ask("Goodbye, please end the phone call.")
            await talk.caller.over.wait()

    assert isinstance(talk.caller.action, EndCall)
    assert answer.text.strip()
    assert answer.heard(0.0) == ""
    assert talk.caller.transcript[-1] == Utterance("assistant", answer.text.strip())


async def test_a_real_bridge_breaks_a_silence_and_is_heard_and_may_be_spoken_over(
    tmp_path: Path,
) -> None:
    async with bridge_running(tmp_path, model="demo", silence_after=5.0) as bridge:
        async with Conversation.dial(door(bridge), habits=HABITS) as talk:
            await talk.hear(talk.caller.greeting)
            greeted = talk.caller.transcript
            await asyncio.sleep(6)

            (asked,) = talk.caller.unasked
            answer = await talk.say("Stop.")

            assert asked.silenced == "interrupted"
            assert asked.playback is not None
            heard = asked.heard(asked.playback.words[-1].end)
            assert heard
            assert asked.text.startswith(heard)
            first, *_ = talk.caller.transcript
            assert first.content == f"{greeted[0].content} {heard}".strip()
            await talk.hear(answer)
            assert answer.text
            assert talk.caller.violations == []


async def test_a_real_bridge_fills_the_time_that_a_caller_waits(tmp_path: Path) -> None:
    write_tool(
        tmp_path,
        "clock",
        """
        @tool
        async def current_time(place: str = "Paris") -> str:
            '''The current time.'''
            await asyncio.sleep(30)
            return f"It is 12:03 in {place}."
        """,
    )
    seen: list[tuple[str, dict[str, Any]]] = []
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "fillers.md").write_text("One moment.\nStill there?\n")
    async with bridge_running(
        tmp_path, model="demo", filler_after=1.5, tool_timeout=60, think_ahead="off"
    ) as bridge:
        async with (
            watched(Door.at("127.0.0.1", bridge.port), "s", lambda *event: seen.append(event)),
            Conversation.dial(door(bridge), session_id="s") as talk,
        ):
            await talk.hear(talk.caller.greeting)
            answer = await talk.ask("What time is it?")

    finished = [data for kind, data in seen if kind == "ToolFinished"]
    assert [data["seconds"] for data in finished] == [pytest.approx(30)]
    heard = begins(answer, answer.asked_at)
    assert [at for word, at in heard if word in ("One", "Still")] == [1.5, 5.25, 14.625]
    assert next(at for _, at in heard if at >= 20) == pytest.approx(30, abs=0.5)


async def test_a_real_bridge_is_silent_after_a_barge_in(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with Conversation.dial(door(bridge)) as talk:
            await talk.hear(talk.caller.greeting)
            answer = await talk.say("What can you do? Tell me everything that you can do.")
            await talk.hear(await talk.barge_in("Thank you.", words=2))

    assert answer.silenced == "interrupted"
    assert len(talk.caller.transcript[2].content.split()) == 2
    assert talk.caller.violations == []


# ── what Millis does by itself ───────────────────────────────────────────────────────────────────


async def test_what_millis_says_itself_stands_in_the_transcript_as_far_as_it_was_heard() -> None:
    async with talking({"stop": ["Fine.", END]}, stream_id=None) as (talk, bridge):
        announced = talk.caller.announce("Welcome to our hotel.")
        await talk.hear(await talk.barge_in("stop", words=2))

        request = bridge.received_of("stream_request")[0]["data"]
        assert announced.stream_id < request["stream_id"]
        assert request["transcript"] == [
            {"role": "assistant", "content": "Welcome to"},
            {"role": "user", "content": "stop"},
        ]


async def test_silence_may_be_wanted_without_a_word() -> None:
    async with talking() as (talk, bridge):
        answer = await talk.say("tell me a story")
        await answer.complete()
        await talk.turns.stop()
        await talk.turns.stop()  # there is nothing to stop any more

        assert answer.silenced == "interrupted"
        await talk.ask("stop")
        assert len(bridge.received_of("interrupt")) == 1
