"""How words are pronounced: the table in `prompts/lexicon.toml`."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bridge.errors import SettingsError
from bridge.speech.characters import is_cjk

LONGEST_KEY = 60
"""Characters; the beginning of a key is held back until it is clear whether all of it comes."""


def fold(text: str) -> str:
    """Lower-case character by character, so that places in the text stay the same."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def is_exact(key: str) -> bool:
    """Whether a key is matched in its very spelling: "SQL", "iPhone", but not "Millis"."""
    return key[1:] != fold(key[1:])


class Lexicon:
    """Words and what is said for them. Immutable; shared by all calls."""

    __slots__ = ("_any_case", "_exact", "beginnings", "initial", "lengths", "shortest")

    def __init__(self, words: Mapping[str, str] | None = None) -> None:
        words = words or {}
        self._exact = {key: said for key, said in words.items() if is_exact(key)}
        self._any_case = {fold(key): said for key, said in words.items() if not is_exact(key)}
        keys = {fold(key) for key in words}
        self.beginnings = frozenset(key[:end] for key in keys for end in range(1, len(key) + 1))
        """Every beginning of every key, the whole keys included, in lower case."""
        self.initial = _any_of({key[0] for key in keys})
        """A character that a key begins with, in lower case, and seldom inside a word."""
        self.lengths = tuple(sorted({len(key) for key in keys}, reverse=True))
        self.shortest = min(self.lengths, default=0)

    def __bool__(self) -> bool:
        return bool(self.lengths)

    def find(self, written: str) -> str | None:
        """What is said for a word; None if it is said as written."""
        said = self._exact.get(written)
        return said if said is not None else self._any_case.get(fold(written))

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """Read the table from a TOML file. Without the file there are no replacements.

        Raises:
            SettingsError: the file is not as it should be.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: cannot be read; make it a readable UTF-8 file") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f'{path}: {error}; write each line as "word" = "how to say it"'
            ) from error
        for name in table:
            if name != "words":
                raise SettingsError(f"{path}: {name}: not known here; put the words under [words]")
        words = table.get("words", {})
        if not isinstance(words, dict):
            raise SettingsError(f"{path}: words: must be a table; write [words] above the lines")
        _check(path, words)
        return cls(words)


def _any_of(letters: set[str]) -> re.Pattern[str]:
    joining = re.escape("".join(char for char in letters if not is_cjk(char)))
    others = re.escape("".join(filter(is_cjk, letters)))
    ways = [f"(?<![a-z0-9])[{joining}]" if joining else "", f"[{others}]" if others else ""]
    return re.compile("|".join(filter(None, ways)) or "(?!)")


def _check(path: Path, words: Mapping[str, object]) -> None:
    seen: dict[str, str] = {}
    for key, said in words.items():
        place = f"{path}: words.{key or '(empty)'}"
        if not isinstance(said, str) or not said.strip():
            raise SettingsError(f'{place}: needs text to say; write "{key}" = "how to say it"')
        if not key or key != key.strip() or len(key) > LONGEST_KEY:
            remedy = f"use 1 to {LONGEST_KEY} characters without spaces around them"
            raise SettingsError(f"{place}: not a word; {remedy}")
        if not key[0].isalnum() or not key[-1].isalnum():
            raise SettingsError(f"{place}: not a word; begin and end it with a letter or a digit")
        same = key if is_exact(key) else fold(key)
        if same in seen:
            raise SettingsError(f"{place}: is the same word as {seen[same]}; keep one of them")
        seen[same] = key
