import asyncio
from pathlib import Path

import pytest

from bridge.local.answer import LineLost
from bridge.local.caller import Caller
from bridge.local.conversation import Conversation
from bridge.local.dialing import CallRefused
from bridge.local.playback import at_rate
from bridge.local.speaking import Habits
from bridge.protocol import EndCall, TransferCall, Utterance
from tests.local.scripted_bridge import CLOSE, END, END_CALL, INTERRUPT, On, Script, ScriptedBridge
from tests.wire import bridge_running

GREETING = ["Hello!", END]


async def test_a_call_begins_as_millis_begins_it() -> None:
    async with ScriptedBridge({"": GREETING}) as bridge:
        async with Caller.dial(
            bridge.url,
            token="secret",
            session_id="s",
            agent_id="a",
            metadata={"name": "Ada"},
            voip={"from": "+1", "to": "+2"},
        ) as caller:
            greeting = await caller.greeting.complete()

    assert greeting.text == "Hello!"
    assert greeting.ended
    assert bridge.headers[0]["Authorization"] == "Bearer secret"
    assert bridge.received == [
        {
            "type": "start_call",
            "data": {
                "stream_id": 1,
                "agent_id": "a",
                "call_sid": None,
                "session_id": "s",
                "metadata": {"name": "Ada"},
                "voip": {"from": "+1", "to": "+2"},
            },
        }
    ]


async def test_every_request_carries_the_whole_conversation() -> None:
    script = {"": GREETING, "one": ["Answer ", "one.", END], "two": ["Answer two.", END]}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url, stream_id=0) as caller:
        await caller.greeting.complete()
        await caller.ask("one")
        await caller.ask("two")

        assert [m["data"]["stream_id"] for m in bridge.received] == [0, 1, 2]
        assert bridge.transcript() == [
            ("assistant", "Hello!"),
            ("user", "one"),
            ("assistant", "Answer one."),
            ("user", "two"),
        ]
        assert caller.transcript[-1] == Utterance("assistant", "Answer two.")
        assert caller.strays == []


async def test_an_answer_without_words_leaves_no_line() -> None:
    async with ScriptedBridge({}) as bridge, Caller.dial(bridge.url) as caller:
        await caller.greeting.complete()
        answer = await caller.ask("hi")

        assert answer.pieces == []
        assert answer.first_word is None
        assert bridge.transcript() == [("user", "hi")]


async def test_pieces_are_heard_as_they_arrive() -> None:
    async with (
        ScriptedBridge({"hi": ["one ", INTERRUPT]}) as bridge,
        Caller.dial(bridge.url) as caller,
    ):
        answer = await caller.request("hi")
        first = await anext(aiter(answer))  # though the answer has no end

        assert first.content == "one "
        assert answer.first_word == first.at - answer.asked_at
        assert not answer.over


async def test_two_may_listen_to_one_answer() -> None:
    async with ScriptedBridge({"hi": ["a ", "b", END]}) as bridge, Caller.dial(bridge.url) as call:
        answer = await call.request("hi")
        async with asyncio.TaskGroup() as group:
            listeners = [group.create_task(_texts(answer)) for _ in range(2)]

        assert [listener.result() for listener in listeners] == [["a ", "b"], ["a ", "b"]]


async def _texts(answer: object) -> list[str]:
    return [piece.content async for piece in answer]  # type: ignore[attr-defined]


async def test_an_interrupted_line_is_cut_to_what_was_received() -> None:
    script = {"": GREETING, "story": ["Once upon ", INTERRUPT], "stop": ["Fine.", END]}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        await caller.greeting.complete()
        answer = await caller.request("story")
        async for _ in answer:
            await caller.interrupt()
        await caller.ask("stop")

        assert answer.silenced == "interrupted"
        assert not answer.ended
        assert bridge.received_of("interrupt") == [{"type": "interrupt", "stream_id": 2}]
        assert bridge.transcript()[2:] == [("assistant", "Once upon"), ("user", "stop")]
        assert caller.violations == []


async def test_words_that_crossed_with_the_interrupt_are_no_violation() -> None:
    script = {"story": ["Once ", INTERRUPT, "upon ", END], "stop": ["Fine.", END]}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        await caller.greeting.complete()
        answer = await caller.request("story")
        async for _ in answer:
            await caller.interrupt()
        await caller.ask("stop")

        assert [(s.kind, s.detail) for s in caller.strays] == [
            ("in_flight", "upon "),
            ("in_flight", ""),
        ]
        assert caller.violations == []
        assert answer.text == "Once "


async def test_nor_are_they_if_something_else_was_said_just_before() -> None:
    script = {"story": ["Once ", INTERRUPT, "upon ", END], "stop": ["Fine.", END]}
    partial = {"session_id": "s", "transcript": "st", "is_final": False}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        await caller.greeting.complete()
        async for _ in await caller.request("story"):
            await caller.tell({"type": "partial_transcript", "data": partial})
            await caller.interrupt()
        await caller.ask("stop")

        assert [stray.kind for stray in caller.strays] == ["in_flight", "in_flight"]


async def test_words_after_an_interrupt_was_read_are_a_violation() -> None:
    script = {"story": ["Once ", INTERRUPT], "stop": [On(2, "upon "), "Fine.", END]}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        async for _ in await caller.request("story"):
            await caller.interrupt()
        await caller.ask("stop")

        assert [(s.kind, s.stream_id, s.detail) for s in caller.violations] == [
            ("after_interrupt", 2, "upon ")
        ]


async def test_a_new_request_supersedes_the_answer_before_it() -> None:
    script: Script = {"a": ["One "], "b": ["Two.", END], "c": [On(2, "late"), END]}
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        await caller.greeting.complete()
        first = await caller.request("a")
        await anext(aiter(first))
        await caller.ask("b")
        await caller.ask("c")

        assert first.silenced == "superseded"
        assert [s.kind for s in caller.violations] == ["after_newer_request"]


async def test_frames_that_make_no_sense_are_recorded() -> None:
    odd: list[object] = ["a", END, END, "", On(77, "c"), b"\0", {"type": "dance"}, On(3, "d"), END]
    async with ScriptedBridge({"hi": odd}) as bridge, Caller.dial(bridge.url) as caller:
        answer = await caller.ask("hi")
        await caller.ask("and now")

        assert answer.text == "a"
        assert [stray.kind for stray in caller.violations][:6] == [
            "after_end",
            "after_end",
            "unknown_stream",
            "unreadable",
            "unreadable",
            "unknown_stream",
        ]


async def test_words_after_the_end_are_heard_as_the_bridge_breaks_a_silence() -> None:
    script: Script = {
        "hi": ["Hello.", END],
        "go on": [On(2, "Still there?"), On(2, ""), "Yes.", END],
    }
    async with ScriptedBridge(script) as bridge, Caller.dial(bridge.url) as caller:
        answer = await caller.ask("hi")
        await caller.ask("go on")

        (broken,) = caller.unasked
        assert (broken.stream_id, broken.text, answer.text) == (2, "Still there?", "Hello.")
        assert caller.answers[2] is answer
        assert caller.violations == []


async def test_the_bridge_ends_the_call() -> None:
    async with (
        ScriptedBridge({"bye": ["Goodbye!", END, END_CALL]}) as bridge,
        Caller.dial(bridge.url) as caller,
    ):
        answer = await caller.ask("bye")
        await caller.over.wait()

        assert answer.text == "Goodbye!"
        assert isinstance(caller.action, EndCall)
        assert caller.violations == []


async def test_a_transfer_may_come_instead_of_words() -> None:
    transfer = {"type": "transfer_call", "data": {"stream_id": 2, "destination": "+15550100"}}
    async with (
        ScriptedBridge({"human": [transfer]}) as bridge,
        Caller.dial(bridge.url) as caller,
    ):
        answer = await caller.ask("human")

        assert isinstance(answer.action, TransferCall)
        assert answer.action.data.destination == "+15550100"


@pytest.mark.parametrize(
    ("status", "word"), [(401, "token"), (503, "no free line"), (500, "HTTP status 500")]
)
async def test_a_refused_call_says_why(status: int, word: str) -> None:
    async with ScriptedBridge({}, refuse=status) as bridge:
        with pytest.raises(CallRefused, match=word) as refused:
            async with Caller.dial(bridge.url):
                pytest.fail("there is a call")

    assert refused.value.status == status


async def test_nobody_answers_where_no_bridge_is() -> None:
    async with ScriptedBridge({}) as bridge:
        pass
    with pytest.raises(CallRefused, match="nobody answers") as refused:
        async with Caller.dial(bridge.url):
            pytest.fail("there is a call")

    assert refused.value.status is None


async def test_a_lost_connection_ends_the_answer_and_all_that_follow() -> None:
    async with (
        ScriptedBridge({"": GREETING, "hi": ["Well, ", CLOSE]}) as bridge,
        Caller.dial(bridge.url) as caller,
    ):
        await caller.greeting.complete()
        answer = await caller.request("hi")
        with pytest.raises(LineLost) as lost:
            await answer.complete()
        with pytest.raises(LineLost):
            await caller.ask("hello?")

        assert lost.value.close_code == 1012
        assert answer.text == "Well, "
        assert caller.greeting.ended
        assert caller.over.is_set()


async def test_a_conversation_takes_the_time_that_talking_takes() -> None:
    script = {"": GREETING, "story": ["Once upon a time. ", INTERRUPT], "stop": ["Fine.", END]}
    habits = Habits(words_per_second=100, final_after=0, end_of_turn=0.02, voice=at_rate(20))
    async with ScriptedBridge(script) as bridge:
        async with Conversation.dial(bridge.url, habits=habits) as talk:
            await talk.hear(talk.caller.greeting)
            await talk.say("story")
            await talk.hear(await talk.barge_in("stop", words=2))

        assert bridge.transcript()[2:] == [("assistant", "Once upon"), ("user", "stop")]
        began, told = bridge.when("stream_request")[0], bridge.when("interrupt")[0]
        assert told - began >= 2 / 20 + 1 / 100 - 0.001


async def test_a_real_bridge_answers_and_falls_silent(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with Caller.dial(f"ws://127.0.0.1:{bridge.port}/millis") as caller:
            greeting = await caller.greeting.complete()
            async for _ in await caller.request("Hello, who are you?"):
                await caller.interrupt()
            answer = await caller.ask("What can you do?")

    assert greeting.text.strip()
    assert answer.text.strip()
    assert answer.first_word is not None
    assert answer.ended
    assert caller.violations == []
    assert caller.answers[2].silenced == "interrupted"
