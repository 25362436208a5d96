"""What the model is told about an answer of its own that the caller did not hear to its end."""

import re
from collections.abc import Sequence

from bridge.call.ledger import Entry, ToolUse

WITHDRAWN = "Not done: the caller spoke before it happened."
BROKEN_OFF = "Not done: something went wrong before it happened."

_NOTE = re.compile(r"\[Note: [^\]]*\]\n")
_LONGEST_QUOTE = 160
_IN_QUOTES = str.maketrans('"[]', "'()")
"""Nothing that is quoted can end the quote, or the note."""
_ENDED = {"ok": "finished", "failed": "failed", "timeout": "took too long"}


def note(entries: Sequence[Entry], heard: str) -> str:
    """The note on the turns that answered one line; empty if there is nothing to say.

    `heard` is what was said to the caller after that line, as Millis tells it.
    """
    parts: list[str] = []
    if said := next((entry.said for entry in _cut_last(entries) if entry.said.strip()), ""):
        parts += _what_was_heard(said, heard)
    unaware = [use for entry in entries for use in _unaware(entry)]
    if unaware and not parts and entries[-1].cut:
        parts.append("You were cut off before you said anything.")
    parts += [_outcome(use) for use in unaware]
    return f"[Note: {' '.join(parts)}]" if parts else ""


def without_note(line: str) -> str:
    """A line of the caller's as they said it."""
    return _NOTE.sub("", line, count=1)


def _cut_last(entries: Sequence[Entry]) -> list[Entry]:
    """The turns since the last one that was not cut, newest first."""
    cut: list[Entry] = []
    for entry in reversed(entries):
        if not entry.cut:
            break
        cut.append(entry)
    return cut


def _what_was_heard(said: str, heard: str) -> list[str]:
    if not _letters(heard):
        return [f'You were cut off. The caller heard nothing of: "{_quote(said)}".']
    told, missed = divided(said, heard)
    if not missed:
        return ["You were cut off. The caller may not have heard the end of your answer."]
    return [
        f'You were cut off. The caller heard only: "{_quote(told, last=True)}".',
        f'Not heard: "{_quote(missed)}".',
    ]


def _unaware(entry: Entry) -> list[ToolUse]:
    """Uses whose outcome no word of this turn was about."""
    if not (entry.cut or entry.failed):
        return []
    return [
        use
        for use in entry.uses
        if use.outcome in _ENDED and use not in entry.tells
        if use.result not in (WITHDRAWN, BROKEN_OFF)
    ]


def _outcome(use: ToolUse) -> str:
    ended = _ENDED[use.outcome or "ok"]
    return f'{use.name} {ended}: "{_quote(use.result or "")}". The caller has not been told.'


def divided(said: str, heard: str) -> tuple[str, str]:
    """What the caller heard of `said`, and the rest of it.

    `heard` may begin with other words, and may be written differently.
    """
    spoken = _letters(said)
    words = re.findall(r"\w+", heard)
    for first in range(len(words)):
        tail = _letters("".join(words[first:]))
        if spoken.startswith(tail):
            at = _position(said, len(tail))
            return said[:at].strip(), said[at:].strip()
    return heard.strip(), said[_position(said, len(_letters(heard))) :].strip()


def _position(text: str, letters: int) -> int:
    """Where the word begins that is the first not to fit in so many letters."""
    for word in re.finditer(r"\S+", text):
        letters -= len(_letters(word[0]))
        if letters < 0:
            return word.start()
    return len(text)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _quote(text: str, *, last: bool = False) -> str:
    text = " ".join(text.split()).translate(_IN_QUOTES)
    if len(text) <= _LONGEST_QUOTE:
        return text
    return f"…{text[-_LONGEST_QUOTE:]}" if last else f"{text[:_LONGEST_QUOTE]}…"
