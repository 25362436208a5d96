"""What the caller hears of one answer, to the word and the moment. Pure: every time is given.

Documented (the guide to custom LLMs, and protocol.md §1): `flush` has everything spoken at once
that has come so far; without it Millis waits for a complete sentence; a `pause` is kept after the
piece that carries it and before the next; the end of the stream ends the last sentence.

Assumed, because nobody outside Millis knows:

- A sentence is complete once something follows its full stop: white space, or after an
  ideographic mark any character. "3." may go on to be "3.14".
- A piece with a pause is spoken without waiting for the rest of its sentence.
- Speech begins as soon as it may; Millis's voices take a moment more. All words take equally long,
  unless a `Voice` knows better.
- A pause that nothing follows does not delay `playback_finished`.
- A word counts as heard when it has been spoken to its end.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

Voice = Callable[[str], Sequence[float] | None]
"""Seconds from the beginning of a text to the end of each of its `words_in`; None while that is
being found out: then what follows waits for `speak_on`."""

_WORD: Final = re.compile(r"\S+")
_COMPLETE: Final = re.compile(
    r"""[.!?…]+["'”’)\]]*(?=\s)|[。！？]+["'”’)\]」』]*(?=[^。！？"'”’)\]」』])|\n"""
)
_ALMOST: Final = 1e-9
"""Seconds; times are sums of floats."""


def words_in(text: str) -> list[str]:
    """The words of a text, punctuation included: what stands between white space."""
    return _WORD.findall(text)


def word_places(text: str) -> list[tuple[int, int]]:
    """Where each of the `words_in` a text begins and ends."""
    return [found.span() for found in _WORD.finditer(text)]


def at_rate(words_per_second: float) -> Callable[[str], Sequence[float]]:
    """A voice that takes equally long for every word."""

    def voice(text: str) -> Sequence[float]:
        return [number / words_per_second for number in range(1, len(words_in(text)) + 1)]

    return voice


@dataclass(frozen=True, slots=True)
class Word:
    """One word that is, was or will be played."""

    text: str
    begin: float
    end: float
    place: int
    """Where it ends in the text that was sent."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A text that is spoken in one go, or a silence."""

    text: str
    """Empty for a silence."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """Text that is spoken in one go, or a silence."""

    begin: int
    end: int
    silence: float = 0.0


class Playback:
    """One answer in the caller's ear: pieces in with their times, words out with theirs.

    Times never go back. What is known of the future holds as long as nothing else comes.
    """

    def __init__(self, voice: Voice) -> None:
        self.text = ""
        """All that was sent."""
        self.words: list[Word] = []
        """What is, was or will be played, as far as that is known."""
        self.sounds: list[Sound] = []
        """The same as sounds, one after the other; what is cut stays here."""
        self._voice = voice
        self._spoken = 0
        """How much of the text is no longer waiting for the end of its sentence."""
        self._free = 0.0
        """When the voice has nothing more to say."""
        self._held: float | None = None
        self._waiting: list[_Segment] = []
        """What came while it was held, or before the voice knew how long it takes."""
        self._ended: float | None = None
        self._cut = False

    def hear(self, text: str, at: float, *, flush: bool = False, pause: float = 0.0) -> None:
        """Take in a piece. `pause`: seconds of silence after it."""
        if self._cut:
            return
        self.text += text
        waits_from = self._spoken
        for sentence in _COMPLETE.finditer(self.text[waits_from:]):
            self._release(waits_from + sentence.end(), at)
        if flush or pause:
            self._release(len(self.text), at)
        if pause:
            self._say(_Segment(self._spoken, self._spoken, pause), at)

    def end(self, at: float) -> None:
        """No more will come."""
        if not self._cut:
            self._release(len(self.text), at)
            self._ended = at

    @property
    def is_cut(self) -> bool:
        """Whether it was stopped for good."""
        return self._cut

    @property
    def waits(self) -> bool:
        """Whether there is something to be spoken of which it is not known when."""
        return bool(self._waiting)

    @property
    def ends_at(self) -> float:
        """When the last of its `sounds` will have been played, if it is not held any longer."""
        return self._free

    @property
    def held(self) -> bool:
        """Whether it stands still: Millis has heard a voice."""
        return self._held is not None

    def hold(self, at: float) -> None:
        """Stand still."""
        if self._held is None:
            self._held = at

    def go_on(self, at: float) -> None:
        """Play on: it was no interruption."""
        if self._held is None:
            return
        since, self._held = self._held, None
        late = at - since
        self.words = [_later(word, since, late) for word in self.words]
        if self._free > since:
            self._free += late
        self.speak_on(at)

    def speak_on(self, at: float) -> None:
        """Speak what waits, as far as the voice knows now how long it takes."""
        waiting, self._waiting = self._waiting, []
        for segment in waiting:
            self._say(segment, at)

    def cut(self, at: float) -> None:
        """Stop for good: what has not been played never will be."""
        at = at if self._held is None else min(at, self._held)
        self.words = [word for word in self.words if word.end <= at + _ALMOST]
        self._waiting.clear()
        self._cut, self._held = True, None

    def played(self, at: float) -> str:
        """What has been played by then: the beginning of what was sent, to the last whole word."""
        at = at if self._held is None else min(at, self._held)
        places = [word.place for word in self.words if word.end <= at + _ALMOST]
        return self.text[: places[-1]] if places else ""

    def when(self, count: int) -> float | None:
        """When that many words have been played; None if that is not known."""
        if not 0 < count <= len(self.words):
            return None
        end = self.words[count - 1].end
        return end if self._held is None or end <= self._held + _ALMOST else None

    @property
    def finished_at(self) -> float | None:
        """When all of it will have been played; None if that is not known, or never."""
        if self._ended is None or self._cut or self._waiting:
            return None
        last = self.when(len(self.words)) if self.words else self._ended
        return None if last is None else max(last, self._ended)

    def _release(self, end: int, at: float) -> None:
        """Have the text spoken up to there."""
        segment = _Segment(self._spoken, end)
        if self.text[segment.begin : end].strip():
            self._spoken = end
            self._say(segment, at)

    def _say(self, segment: _Segment, at: float) -> None:
        text = self.text[segment.begin : segment.end]
        ends = None if self._held is not None or self._waiting else self._voice(text)
        if ends is None:
            self._waiting.append(segment)
            return
        begin = max(self._free, at)
        self._free = begin + segment.silence
        self.sounds.append(Sound(text, ends[-1] if ends else segment.silence))
        for found, until in zip(_WORD.finditer(text), ends, strict=True):
            word = Word(found[0], self._free, begin + until, segment.begin + found.end())
            self.words.append(word)
            self._free = word.end


def _later(word: Word, since: float, seconds: float) -> Word:
    """Put off what of a word had not been played by then."""
    if word.end <= since:
        return word
    begin = word.begin if word.begin < since else word.begin + seconds
    return replace(word, begin=begin, end=word.end + seconds)
