"""What the caller may say: a list of phrases, as words of a dictionary and as a grammar. Pure.

A grammar of whole phrases, and not a model of which words follow each other. Measured with twenty
phrases in three voices of espeak-ng: of 60, the grammar found 49 in one run and 54 in another, took
2 and none for another phrase, and the rest for nothing; of 30 utterances of other words it took 2
and 3 for a phrase. The model found 27 of 60, made something wrong of the rest, and something of 24
of the 30.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

_TOKEN: Final = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+")
# fmt: off
_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on

Pronounce = Callable[[str], Sequence[str]]
"""How a word is pronounced, each way as phones; empty for a word that is not known."""


class Phrases:
    """The phrases that can be recognised, and those that cannot."""

    def __init__(self, given: Iterable[str], pronounce: Pronounce) -> None:
        self.unknown: dict[str, str] = {}
        """Phrases with a word that is not in the dictionary, each with that word."""
        self._as_written: dict[str, str] = {}
        pronounced: dict[str, Sequence[str]] = {}
        for phrase in given:
            words = spoken(phrase)
            for word in words:
                if word not in pronounced:
                    pronounced[word] = pronounce(word)
            strange = next((word for word in words if not pronounced[word]), None)
            if strange is not None:
                self.unknown[phrase] = strange
            elif words:
                self._as_written.setdefault(" ".join(words), phrase.strip())
        used = {word for line in self._as_written for word in line.split()}
        self.pronounced: Mapping[str, Sequence[str]] = {word: pronounced[word] for word in used}
        """How each of their words is pronounced."""

    def __bool__(self) -> bool:
        """Whether there is anything to recognise."""
        return bool(self._as_written)

    @property
    def grammar(self) -> str:
        """All of them, in JSGF. Words are letters and apostrophes: nothing of it can be a rule."""
        lines = " | ".join(self._as_written)
        return f"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {lines};\n"

    def as_written(self, words: str) -> str:
        """A phrase as it was given; the words themselves if they are none."""
        return self._as_written.get(words, words)


def spoken(phrase: str) -> list[str]:
    """The words of a phrase as one says them: numbers to 99 as such, others by their digits."""
    words: list[str] = []
    for token in _TOKEN.findall(phrase.lower().replace("’", "'")):
        words += _number(token) if token.isdigit() else [token]
    return words


def _number(digits: str) -> list[str]:
    value = int(digits) if len(digits) <= 2 and digits[0] != "0" else None
    if value is None:
        return [_ONES[int(digit)] for digit in digits]
    if value < len(_ONES):
        return [_ONES[value]]
    ten, one = divmod(value, 10)
    return [_TENS[ten - 2], *([_ONES[one]] if one else [])]
