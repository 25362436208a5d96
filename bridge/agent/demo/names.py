"""Names, places and free text in a sentence: what follows a small word, or has a capital letter."""

import re
from collections.abc import Iterable, Iterator, Set

from bridge.agent.demo.values import Found
from bridge.agent.demo.words import STOP, stem

_TOKEN = re.compile(r"[^\W_]+(?:['’.@-][^\W_]+)*")
_JOINING = frozenset(
    {"al", "da", "de", "del", "den", "der", "di", "du", "la", "le", "of", "van", "von"}
)
_MOST = 3
"""Words in a name without capitals."""

CUES = ("in", "at", "for", "to", "named", "called", "name is", "of", "about", "from", "with")
"""Small words after which a name comes, the surest first."""


def after(
    text: str, cues: Iterable[str], known: Set[str] = frozenset(), *, capitals: bool = False
) -> Found | None:
    """The name right after one of the cues; `known` stems are the tool's words, not names.

    `capitals` accepts only a name that begins with a capital letter.
    """
    tokens = _tokens(text)
    for cue in cues:
        parts = cue.split()
        for index in range(len(tokens) - len(parts)):
            heard = [token.value.lower() for token in tokens[index : index + len(parts)]]
            if heard != parts:
                continue
            rest = tokens[index + len(parts) :]
            found = _run(text, rest, known) if capitals else _name(text, rest, known)
            if found:
                return found
    return None


def capitalised(text: str, known: Set[str] = frozenset()) -> Found | None:
    """The first word or words with a capital letter that are not there for grammar."""
    tokens = _tokens(text)
    for index in range(len(tokens)):
        found = _run(text, tokens[index:], known)
        if found is not None and found.value != "I":
            return found
    return None


def remaining(text: str, known: Set[str], most: int = 40) -> Found | None:
    """What is left when the tool's own words and the small words are taken away."""
    kept = [
        token
        for token in _tokens(text)
        if token.value.lower() not in STOP and stem(token.value.lower()) not in known
    ]
    kept = [token for token in kept if not set(_parts(token.value)) <= STOP]
    if not kept or len(kept) > most:
        return None
    return Found(" ".join(token.value for token in kept), kept[0].start, kept[-1].end)


def rest_after(text: str, cues: Iterable[str]) -> Found | None:
    """Everything after the first of these words."""
    every = "|".join(re.escape(cue) for cue in cues)
    match = re.search(rf"\b(?:{every})\b[:,]?\s+(.*\w)", text, re.IGNORECASE)
    return match and Found(match[1], match.start(1), match.end(1))


def _name(text: str, tokens: list[Found], known: Set[str]) -> Found | None:
    if run := _run(text, tokens, known):
        return run
    kept: list[Found] = []
    for token in _adjacent(text, tokens):
        word = token.value.lower()
        if word in STOP or word in CUES or stem(word) in known or word.isdigit():
            break
        kept.append(token)
    return _joined(text, kept[:_MOST])


def _run(text: str, tokens: list[Found], known: Set[str]) -> Found | None:
    kept: list[Found] = []
    for token in _adjacent(text, tokens):
        word = token.value.lower()
        capital = token.value[0].isupper()
        if capital and not kept and (set(_parts(word)) <= STOP or stem(word) in known):
            return None
        if not capital and not (kept and word in _JOINING):
            break
        kept.append(token)
    while kept and not kept[-1].value[0].isupper():
        kept.pop()
    return _joined(text, kept)


def _tokens(text: str) -> list[Found]:
    return [Found(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _adjacent(text: str, tokens: list[Found]) -> Iterator[Found]:
    """The tokens up to the first punctuation between two of them."""
    for index, token in enumerate(tokens):
        if index and text[tokens[index - 1].end : token.start].strip(" "):
            return
        yield token


def _joined(text: str, tokens: list[Found]) -> Found | None:
    if not tokens:
        return None
    start, end = tokens[0].start, tokens[-1].end
    return Found(text[start:end], start, end)


def _parts(word: str) -> list[str]:
    return re.findall(r"[^\W_]+", word.lower())
