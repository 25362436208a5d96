"""What the model is asked to do, by a word in the caller's line: answer well, or fail somehow."""

import random
import re

WELL = {"well": 48, "long": 20, "late": 3, "busy": 3, "lookup": 8, "pair": 3, "blocking": 2}
"""How often; the answer is whole, whatever there was on the way."""
ILL = {
    "raising": 3,
    "hanging": 2,
    "broken": 2,
    "stalling": 1.5,
    "mute": 1,
    "cut": 1.5,
    "reset": 1.5,
}
"""How often; there is an end, and decent words if there are any."""

_LINE = re.compile(r"about (zo[a-z]{6}), (\w+)")
_CODE = re.compile(r"\bzo[a-z]{6}\b")


def any_mood(chance: random.Random) -> str:
    """One of them, as often as it is said above."""
    moods = {**WELL, **ILL}
    return chance.choices(list(moods), list(moods.values()))[0]


def any_code(chance: random.Random) -> str:
    """A word that no other turn has."""
    return "zo" + "".join(chance.choice("bcdfghjklmnpqrstvwxz") for _ in range(6))


def line(code: str, mood: str) -> str:
    """What the caller says."""
    return f"Please tell me about {code}, {mood}."


def read(said: str) -> tuple[str, str]:
    """The code and the mood of a line; of any other line, a plain answer."""
    found = _LINE.findall(said)
    return found[-1] if found else ("nothing", "well")


def codes(text: str) -> set[str]:
    """The codes in an answer."""
    return set(_CODE.findall(text))
