"""Calls in the protocol of the web SDK: no browser, a real bridge, virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.local.browser.calling import Web, web_dialled
from tests.wire import bridge_running, health, health_when, watched, write_tool

pytestmark = pytest.mark.virtual_time

SECOND = 32_000
"""Bytes of sound."""
GREETING = "Hello, how can I help you?"
ROOMS = '''
@tool
def book_room(room: int) -> str:
    """Book a room."""
    return f"Room {room} is booked."
'''


@asynccontextmanager
async def calling(folder: Path, agent: object = None, **data: Any) -> AsyncIterator[Web]:
    """Call a bridge with the demo model."""
    async with bridge_running(folder, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(agent, **data)
        yield web


def greet(folder: Path, text: str) -> None:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "greeting.md").write_text(text)


# ── what is heard ────────────────────────────────────────────────────────────────────────────────


async def test_a_typed_line_is_answered_in_text_and_sound(tmp_path: Path) -> None:
    async with calling(tmp_path) as web:
        await web.until("onheard", GREETING, cut=False)
        first = web.methods(but=lambda method: method in ("onaudio", "onresponsetext"))
        await web.say("count to three")
        heard = await web.until("onheard", cut=False)

        assert first == ["onready", "start_answering", "onheard"]
        assert web.of("ontranscript")[0].data == "count to three"
        assert web.of("ontranscript")[0].payload == {"is_final": True}
        texts = [told for told in web.of("onresponsetext") if told.payload["stream_id"] == 2]
        assert [told.payload["is_final"] for told in texts] == [False] * (len(texts) - 1) + [True]
        assert all(later.data.startswith(former.data) for former, later in pairwise(texts))
        assert texts[-1].data == heard.data
        assert "three" in heard.data.lower()


async def test_sound_takes_as_long_as_the_words_and_comes_a_little_before_it_is_heard(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path) as web:
        heard = await web.until("onheard")
        begin = web.of("start_answering")[0].at

        sound = web.of("onaudio")
        assert len(web.sound) / SECOND == pytest.approx(6 / 2.5)
        assert heard.at - begin == pytest.approx(6 / 2.5)
        played = 0.0
        for told in sound:
            ahead = begin + played - told.at
            # The first of it cannot come before it is known.
            assert ahead >= min(0.2, played) - 1e-6
            assert ahead <= 0.5 + 1e-6
            played += len(told.data) / SECOND


async def test_no_message_of_sound_is_empty_or_has_half_a_sample(tmp_path: Path) -> None:
    greet(tmp_path, "One. Two, three! Four? Five and six and seven.")
    async with calling(tmp_path) as web:
        await web.until("onheard")

        sizes = [len(told.data) for told in web.of("onaudio")]
        assert all(size > 0 and size % 2 == 0 for size in sizes)
        assert sum(sizes) == 9 / 2.5 * SECOND


async def test_each_answer_begins_the_clock_of_its_latency_before_its_sound(tmp_path: Path) -> None:
    async with calling(tmp_path) as web:
        await web.until("onheard")
        await web.say("hello")
        await web.until("onheard")

        kinds = web.methods(but=lambda method: method not in ("onaudio", "start_answering"))
        changes = [kind for before, kind in pairwise(["", *kinds]) if kind != before]
        assert changes == ["start_answering", "onaudio"] * 2


# ── speaking over the agent ──────────────────────────────────────────────────────────────────────


async def test_a_line_over_an_answer_cuts_it_to_what_was_played(tmp_path: Path) -> None:
    async with calling(tmp_path) as web:
        await web.until("onheard")
        await web.say("count to twenty")
        begin = (await web.until("onaudio")).at
        while web.told[-1].at < begin + 3:
            await web.next()
        await web.say("stop")
        cut = await web.until("onheard")
        after = len(web.told)
        await web.until("onheard", cut=False)

        whole = next(told for told in web.of("onresponsetext") if told.payload["stream_id"] == 2)
        assert cut.payload == {"stream_id": 2, "cut": True}
        assert 6 <= len(cut.data.split()) <= 8
        assert whole.data.split()[0] == cut.data.split()[0]
        kinds = [told.method for told in web.told]
        cleared = kinds.index("clear")
        assert kinds[cleared - 1] == "unpause"
        assert "onaudio" not in kinds[cleared : kinds.index("start_answering", cleared)]
        assert any(told.payload.get("stream_id") == 3 for told in web.told[after:])


async def test_the_agent_knows_how_much_of_its_answer_was_heard(tmp_path: Path) -> None:
    greet(tmp_path, "One two three four five six seven eight.")
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        session = await web.initiate()
        begin = (await web.until("start_answering")).at
        while web.told[-1].at < begin + 1.3:
            await web.next()
        async with watched(bridge, session) as watch:
            await web.say("wait")
            cut = await web.until("onheard", cut=True)

            assert cut.data == "One two three"
            assert (await watch.until("TurnHeard"))["heard"] == "One two three"


async def test_a_button_interrupts_as_a_voice_does_and_asks_for_nothing(tmp_path: Path) -> None:
    async with calling(tmp_path) as web:
        await web.until("onaudio")
        await web.send({"method": "interrupt"})
        await web.until("onheard", cut=True)
        await web.send({"method": "interrupt"})  # nobody speaks
        await web.send({"method": "ping", "data": "123"})
        await web.until("pong", "123")

        kinds = web.methods(but=lambda method: method == "onaudio")
        assert kinds.count("clear") == 1
        assert kinds.count("start_answering") == 1


# ── what the page asks for ───────────────────────────────────────────────────────────────────────


async def test_metadata_goes_with_the_call(tmp_path: Path) -> None:
    greet(tmp_path, "Hello {{ metadata.name }}!")
    async with calling(tmp_path, metadata={"name": "Ada"}, include_metadata_in_prompt=True) as web:
        await web.until("onheard", "Hello Ada!")


async def test_the_agent_that_a_page_names_is_the_calls(tmp_path: Path) -> None:
    greet(tmp_path, "Hello from {{ call.agent_id or 'nobody' }}.")
    async with calling(tmp_path, {"agent_id": "sales"}) as web:
        await web.until("onheard", "Hello from sales.")


async def test_the_first_message_of_an_agent_config_is_spoken_instead_of_the_greeting(
    tmp_path: Path,
) -> None:
    agent = {"agent_id": "a", "agent_config": {"first_message": "Good day.", "flow": {"x": 1}}}
    async with calling(tmp_path, agent) as web:
        first = await web.until("onheard")
        await web.say("hello")
        second = await web.until("onheard")

        assert first.data == "Good day."
        assert len(web.sound) > 2 / 2.5 * SECOND
        assert GREETING not in second.data


async def test_nobody_greets_who_wants_to_speak_first(tmp_path: Path) -> None:
    config = {"flow": {"user_start_first": True}, "first_message": "Good day."}
    async with calling(tmp_path, {"agent_config": config}) as web:
        await web.say("hello")
        await web.until("onheard")

        assert len(web.of("start_answering")) == 1
        assert web.methods().index("ontranscript") < web.methods().index("onaudio")


async def test_a_call_lasts_no_longer_than_the_agent_config_allows(tmp_path: Path) -> None:
    config = {"session_timeout": {"max_duration": 60}}
    async with calling(tmp_path, {"agent_config": config}) as web:
        begin = web.told[0].at
        ended = await web.until("onsessionended")

        assert ended.at - begin == pytest.approx(60, abs=0.1)
        assert await web.closed() == (1000, "the call has lasted as long as it may")


@pytest.mark.parametrize(
    "agent",
    [
        None,
        "sales",
        {"agent_id": 7, "agent_config": [1]},
        {"agent_config": {"first_message": 3, "flow": {"interruption": 1, "response_delay": "x"}}},
        {"agent_config": {"session_timeout": {"max_duration": -1}, "language": "x" * 2000}},
    ],
)
async def test_settings_that_make_no_sense_count_as_not_given(tmp_path: Path, agent: Any) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.send({"method": "initiate", "data": {"agent": agent, "metadata": agent}})
        await web.until("onheard", GREETING)


# ── what happens in the call ─────────────────────────────────────────────────────────────────────


async def test_the_page_hears_of_each_tool_with_its_arguments(tmp_path: Path) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    async with calling(tmp_path) as web:
        await web.until("onheard")
        await web.say("book room 12")
        used = await web.until("onfunction")

        assert (used.data, used.payload) == ("", {"name": "book_room", "params": {"room": 12}})
        assert "Room 12 is booked" in (await web.until("onheard")).data


async def test_when_the_agent_ends_the_call_its_last_words_are_heard_first(tmp_path: Path) -> None:
    async with calling(tmp_path) as web:
        await web.until("onheard")
        await web.say("goodbye")
        await web.until("onsessionended")

        assert await web.closed() == (1000, "")
        goodbye = web.of("onheard")[-1]
        assert goodbye.payload["cut"] is False
        assert "Goodbye" in goodbye.data
        assert web.told[-1].at - goodbye.at >= 0.2


async def test_a_page_that_leaves_hangs_up(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with web_dialled(bridge) as web:
            await web.initiate()
            await web.until("onaudio")
            assert (await health(bridge))["calls"] == 1
        await health_when(bridge, lambda body: body["calls"] == 0)


async def test_the_page_is_told_when_the_bridge_takes_no_call(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo", max_calls=1) as bridge:
        async with web_dialled(bridge) as one, web_dialled(bridge) as other:
            await one.initiate()
            await other.send({"method": "initiate", "data": {}})

            code, why = await other.closed()
            assert code == 1013
            assert "no free line" in why
