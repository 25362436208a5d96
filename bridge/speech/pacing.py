"""When Millis is told to speak at once instead of waiting for a whole sentence."""

import re
from collections.abc import Iterable
from dataclasses import replace

from bridge.speech.text import Text

# A mark at the end of a piece counts at once, or the first clause would wait for the second.
_CLAUSE_END = re.compile(r"""[,;:.!?…](?=["'”’)]*(?:\s|\Z))["'”’)]*|[—。！？，；：、\n]""")
_NOT_AN_END = re.compile(
    r"(?:(?:^|[^\w])(?:[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|No|vs|etc|Inc|Ltd|Co))\Z"
)
_SHORTEST = 4
"""Characters; a shorter opening such as "Oh," sounds chopped off when it is spoken alone."""


class Pacer:
    """Sets `flush` in one reply: at the end of its first clause, and nowhere else.

    A piece that goes on beyond the end of the clause is cut there. The last words before a wait
    are for `flushed`. One pacer serves a whole reply, over all its messages.
    """

    __slots__ = ("_clause", "_watching")

    def __init__(self, *, first_clause: bool = True) -> None:
        self._watching = first_clause
        self._clause = ""

    def pace(self, pieces: Iterable[Text]) -> list[Text]:
        """The same words, with a flush where the first clause ends."""
        held = list(pieces)
        if not self._watching or not held:
            return held
        return [paced for piece in held for paced in self._pace(piece)]

    def _pace(self, piece: Text) -> tuple[Text, ...]:
        if not self._watching:
            return (piece,)
        if not _CLAUSE_END.search(piece.content):  # as most
            self._clause += piece.content
            return (piece,)
        start = len(self._clause)
        self._clause += piece.content
        for mark in _CLAUSE_END.finditer(self._clause, start):
            if not _ends_clause(self._clause, mark):
                continue
            self._watching = False
            cut = mark.end() - start
            head, tail = piece.content[:cut], piece.content[cut:]
            if not tail:
                return (replace(piece, flush=True),)
            return Text(head, flush=True), replace(piece, content=tail)
        return (piece,)


def flushed(pieces: Iterable[Text]) -> list[Text]:
    """The same pieces, to be spoken now: for fillers, and for the last words before a wait.

    Without any piece it is an empty one, which flushes what was sent before it.
    """
    held = list(pieces) or [Text("")]
    held[-1] = replace(held[-1], flush=True)
    return held


def _ends_clause(clause: str, mark: re.Match[str]) -> bool:
    so_far = clause[: mark.start()]
    if len(so_far.strip()) < _SHORTEST and mark[0].isascii():
        return False
    at_the_end = mark.end() == len(clause)
    if at_the_end and so_far[-1:].isdigit() and mark[0].isascii():
        return False  # "1," may go on to be "1,000"
    return not (mark[0][0] == "." and _NOT_AN_END.search(so_far[-8:]))
