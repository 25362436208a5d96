"""Thinking ahead: an answer is begun when the caller seems to be done, before Millis asks."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from bridge.call.ledger import Entry, Ledger, plain, user_lines
from bridge.call.turn import Turn
from bridge.protocol import PartialTranscriptData, Utterance

ThinkAhead = Literal["off", "final", "any"]
Transcript = tuple[Utterance, ...]

COUNTS = ("hit", "miss", "wasted_tokens")
"""How it went: drafts spoken, drafts dropped, and tokens of these (estimated)."""

_TRIES = 3
"""Answers begun for one line of the caller's; each one that misses was paid for. The last is for a
final transcript, which is likelier to be all."""
_LONGEST = 4000
"""Characters of one line; a longer one is left to the request."""
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that was begun ahead."""

    turn: Turn
    expected: Transcript
    """The conversation that it answers."""
    after: Entry | None
    """The turn that it follows."""


class Drafts:
    """The answer that was begun ahead, if there is one. It is spoken or dropped without trace."""

    def __init__(
        self,
        mode: ThinkAhead,
        ledger: Ledger,
        begin: Callable[[Transcript], Turn],
        counts: Counter[str],
    ) -> None:
        self._mode = mode
        self._ledger = ledger
        self._begin = begin
        self._counts = counts
        self._draft: Draft | None = None
        self._spoken = ""
        self._tries = 0

    def hear(self, partial: PartialTranscriptData, *, free: bool) -> None:
        """Begin an answer to what the caller has said so far, if that seems to be all.

        Only on a `free` line: nothing is being said or done that the answer would have to know.
        """
        if self._mode == "off" or (self._mode == "final" and not partial.is_final):
            return
        if len(self._spoken) + len(partial.transcript) > _LONGEST:
            return
        said = self._so_far(partial)
        if not plain(said) or (self._draft and _same(self._draft.expected[-1].content, said)):
            return
        self.drop()
        expected = self._expected(said) if free else None
        if expected is None or self._tries >= (_TRIES if partial.is_final else _TRIES - 1):
            return
        self._tries += 1
        self._draft = Draft(self._begin(expected), expected, self._last())

    def take(self, transcript: Transcript) -> Turn | None:
        """The answer that was begun to just this; any other is dropped."""
        draft = self._draft
        if draft is None or not self._fits(draft, transcript):
            self.forget()
            return None
        self._draft = None
        self.forget()
        self._counts["hit"] += 1
        return draft.turn

    def forget(self) -> None:
        """The caller's line is over, or lost: begin anew with the next."""
        self.drop()
        self._spoken, self._tries = "", 0

    def drop(self) -> None:
        """Forget the answer that was begun: its model request is closed, no trace is left."""
        if self._draft is not None:
            turn, self._draft = self._draft.turn, None
            self._counts["miss"] += 1
            self._counts["wasted_tokens"] += turn.sent // _CHARS_PER_TOKEN
            turn.silence("dropped")

    def _fits(self, draft: Draft, transcript: Transcript) -> bool:
        expected, told = user_lines(draft.expected), user_lines(transcript)
        return (
            not draft.turn.failed
            and self._last() is draft.after
            and not (draft.after is not None and draft.after.cut)
            and len(expected) == len(told)
            and all(map(_same, expected, told))
            and not _cut_short(_last_answer(draft.expected), _last_answer(transcript))
        )

    def _last(self) -> Entry | None:
        return self._ledger.entries[-1] if self._ledger.entries else None

    def _so_far(self, partial: PartialTranscriptData) -> str:
        """Join final pieces, whether each has all that was said or only what is new."""
        said, before = partial.transcript, _words(self._spoken)
        same = sum(1 for _ in takewhile(_equal, zip(before, _words(said), strict=False)))
        if 2 * same < len(before):  # a last word that was heard anew is still the same line
            said = f"{self._spoken} {said}"
        if partial.is_final:
            self._spoken = said
        return said

    def _expected(self, said: str) -> Transcript | None:
        """The conversation as Millis will tell it; None where that cannot be known."""
        last = self._last()
        if last is None:
            return (Utterance("user", said),)
        if last.cut or not last.whole:
            return None  # how much of it was heard only Millis knows
        answer = (Utterance("assistant", last.said),) if last.said.strip() else ()
        return (*last.transcript, *answer, Utterance("user", said))


def _words(text: str) -> list[str]:
    return plain(text.replace("'", "").replace("’", "")).split()


def _equal(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def _same(one: str, other: str) -> bool:
    """Whether two lines differ at most in case, punctuation and spacing."""
    return _words(one) == _words(other)


def _last_answer(transcript: Transcript) -> list[str]:
    """What was said before the caller's last line."""
    words: list[str] = []
    for line in reversed(transcript[:-1]):
        if line.role == "user":
            break
        words[:0] = _words(line.content)
    return words


def _cut_short(said: list[str], heard: list[str]) -> bool:
    """Whether Millis tells only the beginning of it: the caller does not know the rest."""
    return 0 < len(heard) < len(said) and said[: len(heard)] == heard
