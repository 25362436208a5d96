"""Text that is read from left to right while it is still arriving."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from bridge.speech.spoken import Spoken

Kind = Literal[
    "think",
    "tool",
    "json",
    "code",
    "tag",
    "markdown",
    "table",
    "citation",
    "link",
    "emoji",
    "control",
]
"""What may be dropped; fit for a metric's label."""

LONGEST_RUN = 64


class Verdict(Enum):
    """What a rule says about the text at the reader's place."""

    DONE = auto()
    """Mine; I have moved on."""
    PASS = auto()
    """Not mine."""
    WAIT = auto()
    """It depends on what comes next."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A stretch that is dropped while it arrives, up to and including what closes it."""

    closes: re.Pattern[str]
    reach: int
    """The most characters of an unfinished closing mark that the end of the text may hold."""


class Reader:
    """The text not yet spoken, a place in it, and what rules may do there.

    A rule decides on nothing but the text from its place on, the one character before it and what
    was said so far. It waits until no further text could change its mind, which is why the
    result does not depend on how the text was cut.
    """

    __slots__ = ("at", "dropped", "final", "hidden", "source", "spoken")

    def __init__(self) -> None:
        self.source = "\n"
        """One character of context, then the text not yet read."""
        self.at = 1
        self.final = False
        """No more text will come: nothing is worth waiting for."""
        self.hidden: Hidden | None = None
        self.spoken = Spoken()
        self.dropped: Counter[Kind] = Counter()

    def char(self, offset: int = 0) -> str:
        """The character this far from the place; empty beyond the end."""
        index = self.at + offset
        return self.source[index : index + 1]

    def may_become(self, beginning: re.Pattern[str]) -> bool:
        """Whether all the text from here is a beginning of something (see `beginning_of`)."""
        return not self.final and beginning.match(self.source, self.at) is not None

    def run(self) -> int:
        """How often the character here is repeated; 0 if it may go on beyond the end.

        Counts no further than `LONGEST_RUN`.
        """
        char, end = self.source[self.at], self.at + 1
        limit = min(len(self.source), self.at + LONGEST_RUN)
        while end < limit and self.source[end] == char:
            end += 1
        if end == len(self.source) and end - self.at < LONGEST_RUN and not self.final:
            return 0
        return end - self.at

    def drop(self, length: int, kind: Kind) -> Verdict:
        """Leave this many characters unspoken, and count them as one thing."""
        self.at += length
        self.dropped[kind] += 1
        return Verdict.DONE

    def skip_hidden(self, hidden: Hidden) -> Verdict:
        """Read on to the end of what is hidden. Unclosed, it reaches to the end of the message."""
        closing = hidden.closes.search(self.source, self.at)
        if closing:
            self.at = closing.end()
            self.hidden = None
            return Verdict.DONE
        end = len(self.source)
        self.at = end if self.final else max(self.at, end - hidden.reach)
        return Verdict.WAIT


Rule = Callable[[Reader], Verdict]


def beginning_of(*parts: str) -> re.Pattern[str]:
    """A pattern for every beginning of the parts in sequence, up to the end of the text.

    It may accept more than real beginnings (that costs a longer wait), but never less (that would
    make the result depend on the cuts).
    """
    pattern = ""
    for part in reversed(parts):
        pattern = f"{part}(?:{pattern})?" if pattern else part
    return re.compile(f"(?:{pattern})" + r"\Z", re.IGNORECASE)
