"""Listening to one page: where speech begins and ends, and which phrase it was.

pocketsphinx does both, without a network: its endpointer finds speech in sound, and its decoder
finds phrases of a list in speech (English only). Neither is Millis's recogniser: open dictation is
not possible with it, see docs/browser.md.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import structlog

from bridge.local.browser.phrases import Phrases, spoken
from bridge.local.browser.voice import RATE, SAMPLE

AFTER: Final = 0.25
"""Seconds after the last word until its end is noticed: nine tenths of the endpointer's window of
0.3 s must be silent."""
_AT_ONCE: Final = round(0.06 * RATE) * SAMPLE
"""Bytes that are listened to at a time: two frames of the endpointer."""
_KEPT: Final = round(10 * RATE) * SAMPLE
"""Bytes that may wait to be listened to, such as while the dictionary is read."""
_CERTAIN: Final = 2
"""Words that are recognised before a phrase counts as begun: the first one comes of any noise."""
_LONGEST: Final = 20.0
"""Seconds after which sound that does not end is held for no speech, such as a fan's."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Began:
    """There is a voice."""


@dataclass(frozen=True, slots=True)
class Words:
    """So much of a phrase is recognised."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The voice is silent again. No text: it was none of the phrases, or no speech."""

    text: str


Noticed = Began | Words | Ended


class Ears:
    """Listens for a list of phrases; the work is done in threads."""

    def __init__(self, phrases: Sequence[str], threads: Executor) -> None:
        self._given = phrases
        self._threads = threads
        self._sound = bytearray()
        self._more = asyncio.Event()

    @staticmethod
    def are_there() -> bool:
        """Whether the extra `voice` is installed."""
        return find_spec("pocketsphinx") is not None

    def hear(self, pcm: bytes) -> None:
        """Take in sound."""
        self._sound += pcm
        del self._sound[:-_KEPT]
        if len(self._sound) >= _AT_ONCE:
            self._more.set()

    async def noticed(self) -> AsyncGenerator[Noticed]:
        """Give what there is to notice, for ever."""
        loop = asyncio.get_running_loop()
        listener = await loop.run_in_executor(self._threads, _Listener, self._given)
        while True:
            await self._more.wait()
            self._more.clear()
            whole = len(self._sound) // listener.frame_bytes * listener.frame_bytes
            sound = bytes(self._sound[:whole])
            del self._sound[:whole]
            for one in await loop.run_in_executor(self._threads, listener.listen, sound):
                yield one


class _Listener:
    """The endpointer and the decoder of one call; used by one thread at a time."""

    def __init__(self, given: Sequence[str]) -> None:
        import pocketsphinx  # noqa: PLC0415 - an extra

        dictionary = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
        wanted = {word for phrase in given for word in spoken(phrase)}
        self._phrases = Phrases(given, _pronunciations(dictionary, wanted).__getitem__)
        if self._phrases.unknown:
            _log.warning("phrases with unknown words", count=len(self._phrases.unknown))
        self._endpointer: Any = pocketsphinx.Endpointer()
        self.frame_bytes: int = self._endpointer.frame_bytes
        self._decoder: Any = None
        if self._phrases:
            self._decoder = pocketsphinx.Decoder(
                lm=None,
                dict=None,
                bestpath=False,  # a second look at what was found, which loses last words
                loglevel="FATAL",
            )
            self._learn()
        self._left = 0
        """How many more frames of an utterance are decoded; 0: there is none."""
        self._shown = ""

    def listen(self, sound: bytes) -> list[Noticed]:
        """Listen to whole frames."""
        noticed: list[Noticed] = []
        for place in range(0, len(sound), self.frame_bytes):
            before = self._endpointer.in_speech
            speech = self._endpointer.process(sound[place : place + self.frame_bytes])
            if speech is None or self._decoder is None:
                continue
            if not before:
                noticed.append(self._begin())
            if self._left:
                noticed += self._decode(speech)
        return noticed

    def _learn(self) -> None:
        for word, ways in self._phrases.pronounced.items():
            for number, phones in enumerate(ways, 1):
                name = word if number == 1 else f"{word}({number})"
                self._decoder.add_word(name, phones, False)
        self._decoder.add_jsgf_string("phrases", self._phrases.grammar)
        self._decoder.activate_search("phrases")

    def _begin(self) -> Began:
        self._decoder.start_utt()
        self._left = round(_LONGEST / self._endpointer.frame_length)
        self._shown = ""
        return Began()

    def _decode(self, speech: bytes) -> Iterator[Noticed]:
        self._decoder.process_raw(speech)
        self._left -= 1
        if not self._endpointer.in_speech or not self._left:
            self._decoder.end_utt()
            self._left = 0
            yield Ended(self._phrases.as_written(self._found()))
            return
        text = self._found()
        if text != self._shown and len(text.split()) >= _CERTAIN:
            self._shown = text
            yield Words(text)

    def _found(self) -> str:
        found = self._decoder.hyp()
        return found.hypstr if found is not None else ""


def _pronunciations(dictionary: Path, wanted: Set[str]) -> defaultdict[str, list[str]]:
    """Read how words are pronounced: `word PHONES`, and `word(2) PHONES` for another way."""
    ways: defaultdict[str, list[str]] = defaultdict(list)
    with dictionary.open(encoding="utf-8") as lines:
        for line in lines:
            entry, _, phones = line.partition(" ")
            if (word := entry.partition("(")[0]) in wanted:
                ways[word].append(phones.strip())
    return ways
