"""What became of every turn that was asked. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.soak import moods
from bridge.local.answer import Answer

MOST_TOLD = 20
"""Turns that are told of one by one, where they should not be."""


@dataclass(slots=True)
class Asked:
    """One turn, and what was done to it."""

    answer: Answer
    code: str = ""
    """Empty for a greeting."""
    mood: str = "well"
    deed: str = ""
    """What the caller was about."""
    excuse: str = ""
    """Why it need not end: `hung_up` by the caller, or `cut` where the proxy has cut the line."""
    overdue: bool = False
    """Whether the caller has waited for its end for as long as one waits, and went on then."""

    @property
    def outcome(self) -> str:
        """What became of it; `lost` is what must never be."""
        if self.overdue and not self.excuse:
            return "lost"
        if self.answer.ended:
            return "answered"
        return self.answer.silenced or self.excuse or "lost"

    @property
    def flaw(self) -> str:
        """What is wrong with an answer that did end; nothing, mostly."""
        heard = moods.codes(self.answer.text)
        if heard - {self.code}:
            return "foreign"
        whole = self.mood in moods.WELL and self.code
        return "not_whole" if whole and self.code not in heard else ""


@dataclass(slots=True)
class Tally:
    """All turns of all calls, counted."""

    calls: int = 0
    refused: int = 0
    """Calls that the bridge did not take."""
    outcomes: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    """What was wrong with answers, and frames that nobody should hear, by kind."""
    deeds: Counter[str] = field(default_factory=Counter)
    """What callers and lines did."""
    moods: Counter[str] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)
    """The first of those turns that should not be."""

    def take(self, turn: Asked, **about: Any) -> None:
        """Count a turn that is over; what is known `about` it is told of those that are wrong."""
        self.outcomes[turn.outcome] += 1
        self.moods[turn.mood] += 1
        wrong = "lost" if turn.outcome == "lost" else ""
        if turn.outcome == "answered" and turn.flaw:
            self.flaws[turn.flaw] += 1
            wrong = turn.flaw
        if wrong:
            self.tell(
                wrong,
                code=turn.code,
                mood=turn.mood,
                deed=turn.deed,
                heard=turn.answer.text,
                line_lost=turn.answer.lost,
                stream_id=turn.answer.stream_id,
                **about,
            )

    def tell(self, wrong: str, **about: Any) -> None:
        """Keep what is known of something that should not be."""
        if len(self.told) < MOST_TOLD:
            self.told.append({"wrong": wrong, **about})
