"""Somebody speaks into a microphone and hears the agent's voice: a real browser, all of it offline.

The microphone is a WAV file that espeak-ng has spoken. Chromium cancels echoes and evens out how
loud it is, as it does for people.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.app import Bridge
from bridge.local.browser.ears import Ears
from bridge.local.browser.espeak import Espeak
from tests.browser.browsing import launched, silence, write_wav
from tests.browser.conftest import require
from tests.browser.talking import started

if TYPE_CHECKING:
    from playwright.async_api import Playwright

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHRASES = ["Count to fifty.", "Stop, please.", "Where is my order?"]
FINAL = "talk.of('ontranscript').some(({ given }) => given[1].is_final && given[0] === 'LINE')"
AUDIBLE = 0.05
"""Of full scale; speech is louder now and then, and silence never."""


async def spoken(folder: Path) -> Path:
    """A microphone at which somebody speaks, and speaks again over the answer.

    Three times: a machine that is very busy loses sound, and then a phrase is not recognised.
    """
    espeak = Espeak()
    first = await espeak.speech("Count to fifty.")
    second = await espeak.speech("Stop, please.")
    espeak.close()
    scene = silence(1.5) + first.pcm + silence(3) + second.pcm + silence(4)
    return write_wav(folder / "microphone.wav", scene * 3)


async def test_a_spoken_sentence_is_answered_aloud_and_a_voice_silences_the_answer(
    playwright: "Playwright", talk_page: str, bridge: Bridge, tmp_path: Path
) -> None:
    require(Espeak.is_there() and Ears.are_there(), "the extra `voice` is not installed")
    config = {"flow": {"user_start_first": True}, "custom_vocabulary": {"keywords": PHRASES}}
    about = json.dumps({"agent_config": config})
    async with launched(playwright, await spoken(tmp_path)) as browser:
        page = await browser.new_page()
        talk = await started(page, talk_page, f"127.0.0.1:{bridge.port}", about)
        quiet = await talk.value("talk.loudest")
        await talk.true(FINAL.replace("LINE", "Count to fifty."), seconds=25)
        await talk.true(f"talk.loudest > {AUDIBLE}")
        await talk.true(FINAL.replace("LINE", "Stop, please."), seconds=25)

        cut = next(e["given"] for e in await talk.of("onheard") if e["given"][1]["cut"])
        stream_id = cut[1]["stream_id"]
        texts = [event["given"] for event in await talk.of("onresponsetext")]
        whole = [text for text, about in texts if about["stream_id"] == stream_id][-1]
        assert quiet < AUDIBLE
        assert cut[0]
        assert whole.startswith(cut[0])
        assert len(cut[0]) < len(whole)
        states = [event["given"][0] for event in await talk.of("onagentstate")]
        assert "pause" in states
        assert (await talk.of("onlatency"))[0]["given"][0] < 2000
        assert await talk.value("talk.loudest") < 1.0
