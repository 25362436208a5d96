"""How a caller speaks and how Millis listens: what is recognised of a line, and when. Pure.

Documented (protocol.md §1): `partial_transcript` with what is recognised so far, `is_final` where
Millis holds it for final; then a `stream_request` once it holds the turn for over.

Assumed, because nobody outside Millis knows: each partial transcript has all that was said in this
turn; there is one for each word, when the word is over; one final transcript comes before the
request. All the numbers in `Habits` are our own, of the size that peers of Millis's have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from bridge.local.playback import Voice, at_rate, words_in

Interrupted = Literal["cut", "whole", "absent"]
"""What the transcript has of an interrupted answer: what was played of it, all of it, nothing."""

_USUAL: Final = at_rate(2.5)


@dataclass(frozen=True, slots=True)
class Habits:
    """How one caller speaks, and how Millis is set up for the call."""

    words_per_second: float = 2.5
    """How fast the caller speaks."""
    final_after: float = 0.2
    """Seconds after the last word until its transcript is final."""
    end_of_turn: float = 0.6
    """Seconds after the last word until Millis holds the turn for over, and asks."""
    voice: Voice | None = _USUAL
    """How fast Millis speaks; None: the answer is read as it comes, and known at once."""
    interrupted: Interrupted = "cut"
    """`flow.interruption.keep_interruption_message`: false is taken to mean `absent`, and true
    `cut`; that some keep it whole is what protocol.md leaves open."""

    def keeping(self, keep_interruption_message: bool) -> Self:
        """The same, with Millis's own setting for the line of an interrupted answer."""
        return replace(self, interrupted="cut" if keep_interruption_message else "absent")


READING = Habits(voice=None)
"""A caller who reads what the agent writes: nothing is played, so nothing takes time."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What Millis has recognised of a line by some moment."""

    after: float
    """Seconds since the first word began."""
    transcript: str
    is_final: bool = False


def recognised(text: str, habits: Habits) -> Iterator[Recognised]:
    """Listen to a line as it is spoken: word by word, and at last the final transcript.

    A line without words has one moment only: it is final as soon as it might have been.
    """
    words = words_in(text)
    for number in range(1, len(words) + 1):
        yield Recognised(number / habits.words_per_second, " ".join(words[:number]))
    spoken = len(words) / habits.words_per_second
    yield Recognised(spoken + habits.final_after, text.strip(), is_final=True)


def turn_over(text: str, habits: Habits) -> float:
    """Seconds from the beginning of a line until Millis asks for the answer."""
    pause = max(habits.end_of_turn, habits.final_after)
    return len(words_in(text)) / habits.words_per_second + pause
