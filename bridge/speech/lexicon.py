"""How words are pronounced: the table in `prompts/lexicon.toml`."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.errors import SettingsError
from bridge.speech.characters import is_cjk

LONGEST_KEY = 60
"""Characters; the beginning of a key is held back until it is clear whether all of it comes."""

_LETTERS = 4
"""Letters by which a place is recognised. More would make a long table slow to load."""


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

    __slots__ = ("_any_case", "_exact", "beginnings", "lengths", "places", "shortest")

    def __init__(self, words: Mapping[str, str] | None = None) -> None:
        words = words or {}
        self._exact = {key: said for key, said in words.items() if is_exact(key)}
        self._any_case = {fold(key): said for key, said in words.items() if not is_exact(key)}
        keys = {fold(key) for key in words}
        self.beginnings = frozenset(key[:end] for key in keys for end in range(1, len(key) + 1))
        """Every beginning of every key, the whole keys included, in lower case."""
        self.places = _places(keys)
        """Where a key may begin, also one whose rest is still to come; in lower case."""
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
        except (ValueError, RecursionError) as error:  # a number without end, lists in lists
            raise SettingsError(f'{path}: write each line as "word" = "how to say it"') from error
        for name in table:
            if name != "words":
                raise SettingsError(f"{path}: {name}: not known here; put the words under [words]")
        words = table.get("words", {})
        if not isinstance(words, dict):
            raise SettingsError(f"{path}: words: must be a table; write [words] above the lines")
        _check(path, words)
        return cls(words)


def _places(keys: Iterable[str]) -> re.Pattern[str]:
    """Where a key may begin, by its first letters. No key begins within a word."""
    apart = {key[:_LETTERS] for key in keys if not is_cjk(key[0])}
    anywhere = {key[:_LETTERS] for key in keys if is_cjk(key[0])}
    ways = [f"(?<![a-z0-9]){_trie(apart)}" if apart else "", _trie(anywhere) if anywhere else ""]
    return re.compile("|".join(filter(None, ways)) or "(?!)")


def _trie(keys: Iterable[str]) -> str:
    r"""A pattern for each of these, or for a beginning of one up to the end of the text.

    Letter by letter, so that it takes no longer for many keys: `(?:s(?:\Z|q(?:\Z|l)|u(?:\Z|b)))`.
    """
    rests: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        rests[key[0]].add(key[1:])
    ways = [re.escape(first) + _after(found) for first, found in sorted(rests.items())]
    return f"(?:{'|'.join(ways)})"


def _after(rests: set[str]) -> str:
    if "" in rests:  # a key ends here: whatever follows
        return ""
    return rf"(?:\Z|{_trie(rests)})"


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
