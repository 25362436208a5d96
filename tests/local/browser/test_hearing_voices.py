"""A caller who speaks: sound in, recognised offline, and whose turn it is. Spoken by espeak-ng."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.local.browser.ears import Ears
from bridge.local.browser.espeak import Espeak
from tests.local.browser.calling import Web, web_dialled
from tests.wire import bridge_running

if not (Espeak.is_there() and Ears.are_there()):
    pytest.skip("the extra `voice` is not installed", allow_module_level=True)

pytestmark = pytest.mark.virtual_time

PHRASES = ["Where is my order 12?", "I would like to book a room.", "Stop, please.", "Xyzzy!"]
CHUNK = 256
"""Bytes that Chrome sends at a time."""


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    one = Espeak()
    yield one
    one.close()


async def speak(web: Web, pcm: bytes) -> None:
    """Send sound as a microphone does, at its own speed."""
    for place in range(0, len(pcm), CHUNK * 10):
        for begin in range(place, min(place + CHUNK * 10, len(pcm)), CHUNK):
            await web.socket.send_bytes(pcm[begin : begin + CHUNK])
        await asyncio.sleep(CHUNK * 10 / 32_000)


async def spoken(espeak: Espeak, text: str) -> bytes:
    return bytes(16_000) + (await espeak.speech(text)).pcm + bytes(48_000)


def listening(**config: Any) -> dict[str, Any]:
    return {"agent_config": {"custom_vocabulary": {"keywords": PHRASES}, **config}}


async def test_a_spoken_phrase_is_shown_as_it_comes_and_answered(
    tmp_path: Path, espeak: Espeak
) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(listening())
        await web.until("onheard")
        sound = await spoken(espeak, "Where is my order twelve?")
        speaking = asyncio.create_task(speak(web, sound))
        final = await web.until("ontranscript", is_final=True)
        asked = await web.until("start_answering")
        await speaking
        await web.until("onheard", cut=False)

        lines = [told.data for told in web.of("ontranscript") if not told.payload["is_final"]]
        assert lines
        assert lines[0].split()[:2] == ["where", "is"]
        assert final.data == "Where is my order 12?"
        assert asked.at - final.at >= 0.3  # end_of_turn, less what it took to notice


async def test_a_voice_over_the_agent_holds_it_and_words_cut_it(
    tmp_path: Path, espeak: Espeak
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("word " * 30)
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(listening())
        begun = (await web.until("onaudio")).at
        speaking = asyncio.create_task(speak(web, await spoken(espeak, "Stop, please.")))
        paused = await web.until("pause")
        cleared = await web.until("clear")
        heard = await web.until("onheard", cut=True)
        await speaking
        answer = await web.until("onheard", cut=False)

        assert paused.at - begun > 0.4  # later, where it takes longer to get ready
        assert paused.at < cleared.at
        assert web.told[web.told.index(cleared) - 1].method == "unpause"
        assert len(heard.data.split()) == int((paused.at - begun) * 2.5 + 1e-6)
        assert web.of("ontranscript")[-1].data == "Stop, please."
        assert answer.payload["stream_id"] == 2


async def test_a_noise_holds_the_agent_and_lets_it_go_on(tmp_path: Path, espeak: Espeak) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("word " * 30)
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(listening())
        begun = (await web.until("onaudio")).at
        speaking = asyncio.create_task(speak(web, await spoken(espeak, "Hmm.")))
        held = (await web.until("unpause")).at - web.of("pause")[-1].at
        heard = await web.until("onheard")
        await speaking

        assert heard.payload["cut"] is False
        assert heard.at - begun == pytest.approx(30 / 2.5 + held, abs=0.05)
        assert web.of("ontranscript") == []
        assert web.of("clear") == []


async def test_who_may_not_interrupt_is_not_heard_meanwhile(tmp_path: Path, espeak: Espeak) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("word " * 30)
    config = listening(flow={"interruption": {"allowed": False}})
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(config)
        await web.until("onaudio")
        await speak(web, await spoken(espeak, "Stop, please."))
        await web.until("onheard", cut=False)
        await speak(web, await spoken(espeak, "I would like to book a room."))
        await web.until("onheard", cut=False)

        assert web.of("pause") == []
        said = [told.data for told in web.of("ontranscript") if told.payload["is_final"]]
        assert said == ["I would like to book a room."]


async def test_a_pause_in_the_middle_is_no_end_of_the_turn(tmp_path: Path, espeak: Espeak) -> None:
    config = listening(flow={"response_delay": 3000})
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(config)
        await web.until("onheard")
        await speak(web, await spoken(espeak, "Stop, please."))
        await speak(web, await spoken(espeak, "I would like to book a room."))
        await web.until("onheard")

        said = [told.data for told in web.of("ontranscript") if told.payload["is_final"]]
        assert said == ["Stop, please.", "Stop, please. I would like to book a room."]
        assert len(web.of("start_answering")) == 2


async def test_without_phrases_nobody_listens(tmp_path: Path, espeak: Espeak) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("word " * 30)
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        await web.until("onaudio")
        await speak(web, await spoken(espeak, "Stop, please."))
        await web.until("onheard", cut=False)

        assert web.of("pause") == []


async def test_when_the_bridge_has_stopped_no_thread_of_a_call_is_left(
    tmp_path: Path, espeak: Espeak
) -> None:
    def pools() -> set[threading.Thread]:
        threads = threading.enumerate()
        return {thread for thread in threads if thread.name.startswith("ThreadPoolExecutor")}

    sound = await spoken(espeak, "Stop, please.")
    before = pools()
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(listening(), voice=None)
        await web.until("onaudio")
        await speak(web, sound)
        await web.until("ontranscript", is_final=True)
        assert pools() > before

    assert pools() <= before
