"""What goes on in a call, turn by turn: how often the model is asked, and for how long."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Habits:
    """How callers and answers are, on average. All of it is assumed; `docs/scale.md` says so."""

    caller_words: float = 10.0
    answer_tokens: float = 45.0
    spread: float = 0.6
    """Of the logarithm of both."""
    words_a_token: float = 0.75
    words_a_second: float = 2.5
    """As `bridge/local/speaking.py` has it."""
    recognised: float = 0.6
    """Seconds from the caller's last word to the request."""
    thinking: float = 0.8
    """Seconds between an answer and the caller's first word."""
    first_token: float = 0.5
    """Seconds that the model takes for its first token."""
    gap: float = 0.015
    """Seconds between two tokens."""
    prompt_tokens: float = 1500.0
    """That the model reads for each turn: prompt, tools, history."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What one call does in a second, on average."""

    turns: float
    tokens: float
    streaming: float
    """The share of its time in which an answer comes in from the model."""
    seconds_a_turn: float


def talk(habits: Habits, chance: np.random.Generator, turns: int = 200_000) -> Talk:
    """Play that many turns, one after the other, and look at the time they took."""
    middle = -(habits.spread**2) / 2
    words = habits.caller_words * chance.lognormal(middle, habits.spread, turns)
    tokens = habits.answer_tokens * chance.lognormal(middle, habits.spread, turns)
    first = chance.gamma(4, habits.first_token / 4, turns)
    streamed = first + tokens * habits.gap
    played = tokens * habits.words_a_token / habits.words_a_second
    answered = np.maximum(streamed, first + played)  # speech is slower than any model, mostly
    thought = chance.exponential(habits.thinking, turns)
    seconds = float((words / habits.words_a_second + habits.recognised + answered + thought).sum())
    return Talk(
        turns / seconds, float(tokens.sum()) / seconds, float(streamed.sum()) / seconds,
        seconds / turns,
    )  # fmt: skip
