"""The voice: what it says, how long it takes, how loud it is."""

import array
import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.local.browser.espeak import Espeak
from bridge.local.playback import words_in
from tests.local.browser.calling import web_dialled
from tests.wire import bridge_running

if not Espeak.is_there():
    pytest.skip("the extra `voice` is not installed", allow_module_level=True)

HALF = 1 << 14
TEXT = "Your order 1234 is on its way, and it will be there tomorrow."


ALIKE = 0.03
"""Seconds by which the same text may take longer or shorter: it never speaks twice alike."""


def samples(pcm: bytes) -> "array.array[int]":
    return array.array("h", pcm)


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    one = Espeak()
    yield one
    one.close()


async def test_a_text_becomes_sound_below_half_scale(espeak: Espeak) -> None:
    speech = await espeak.speech(TEXT)

    loudest = max(map(abs, samples(speech.pcm)))
    assert HALF / 4 < loudest < HALF
    assert 2 < len(speech.pcm) / 32_000 < 8


async def test_each_word_has_its_end_and_the_last_that_of_the_sound(espeak: Espeak) -> None:
    speech = await espeak.speech(TEXT)

    assert len(speech.ends) == len(words_in(TEXT))
    assert list(speech.ends) == sorted(speech.ends)
    assert speech.ends[-1] == len(speech.pcm) / 32_000
    number, your = speech.ends[2] - speech.ends[1], speech.ends[0]
    assert number > 3 * your  # one thousand two hundred and thirty four


@pytest.mark.parametrize(
    "text", ["…", "<speak>hi</speak>", "a\0b", "Ünïcödé 你好", "\udc80 x", "[[x]]"]
)
async def test_it_speaks_or_is_silent_whatever_the_text(espeak: Espeak, text: str) -> None:
    speech = await espeak.speech(text)

    assert len(speech.ends) == len(words_in(text))
    assert len(speech.pcm) % 2 == 0


async def test_a_language_that_it_does_not_have_is_spoken_as_english(espeak: Espeak) -> None:
    async def seconds(*language: str) -> float:
        return (await espeak.speech("Hello there, how are you?", *language)).ends[-1]

    english = pytest.approx(await seconds(), abs=ALIKE)
    assert await seconds("xx") == english
    assert await seconds("../../etc/passwd") == english
    assert await seconds("de_DE") != english
    assert await seconds() == english


async def test_two_of_them_do_not_disturb_each_other(espeak: Espeak) -> None:
    other = Espeak()
    alone = [(await espeak.speech(TEXT)).ends[-1], (await other.speech("Ja", "de")).ends[-1]]
    together = await asyncio.gather(
        *(one for _ in range(5) for one in (espeak.speech(TEXT), other.speech("Ja", "de")))
    )
    other.close()

    assert [one.ends[-1] for one in together] == pytest.approx(alone * 5, abs=ALIKE)


async def test_no_thread_is_left(espeak: Espeak) -> None:
    before = threading.active_count()
    other = Espeak()
    await other.speech("hello")
    other.close()

    assert threading.active_count() == before


@pytest.mark.virtual_time
async def test_a_page_hears_the_voice_for_as_long_as_it_speaks(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text(f"{TEXT} {TEXT} Bye.")
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate(voice=None)
        heard = await web.until("onheard", f"{TEXT} {TEXT} Bye.", cut=False)

        loud = [max(map(abs, samples(told.data))) > 1000 for told in web.of("onaudio")]
        assert loud.count(True) > len(loud) / 2
        begun = web.of("onaudio")[0].at
        assert heard.at - begun == pytest.approx(len(web.sound) / 32_000)


@pytest.mark.virtual_time
async def test_a_page_may_choose_the_voice(tmp_path: Path) -> None:
    sounds = []
    async with bridge_running(tmp_path, model="demo") as bridge:
        for config in ({}, {"language": "de"}, {"voice": {"provider": "espeak", "voice_id": "de"}}):
            async with web_dialled(bridge) as web:
                await web.initiate({"agent_config": config}, voice=None)
                await web.until("onheard")
                sounds.append(len(web.sound) / 32_000)

    assert sounds[1] == pytest.approx(sounds[2], abs=ALIKE)
    assert sounds[1] != pytest.approx(sounds[0], abs=ALIKE)
