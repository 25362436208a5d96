"""Whether what was spoken is what the model wrote, by all that a speech filter may change."""

import re
from collections.abc import Sequence


def letters(text: str) -> str:
    """Letters and digits alone: blanks, marks and signs are the speech filter's to change."""
    return re.sub(r"[\W_]+", "", text.casefold())


def is_told_by(
    spoken: str, texts: Sequence[str], own: Sequence[str] = (), *, whole: bool = False
) -> bool:
    """Whether words are a beginning of some of these texts in their order, one after the other.

    Some: a request that was broken off before its first word, and a draft that was dropped, said
    nothing. Lines of the bridge's own may stand before, between and after. `whole`: nothing of the
    last text may be missing.
    """
    said = letters(spoken)
    lines = [line for line in map(letters, own) if line]
    places = _with_lines({0}, said, lines)
    ends = set(places)
    for text in map(letters, texts):
        after = {place + len(text) for place in places if said.startswith(text, place)}
        cut = {place + n for place in places for n in range(_common(said, place, text) + 1)}
        ends = _with_lines(after if whole else ends | cut | after, said, lines)
        places |= _with_lines(after, said, lines)
    return len(said) in ends


def _common(said: str, place: int, text: str) -> int:
    """How many letters of a text stand there."""
    return next(
        (n for n, letter in enumerate(text) if said[place + n : place + n + 1] != letter),
        len(text),
    )


def _with_lines(places: set[int], said: str, lines: list[str]) -> set[int]:
    """Add where one may be after any lines of ours."""
    found, new = set(places), set(places)
    while new:
        new = {
            place + len(line) for place in new for line in lines if said.startswith(line, place)
        } - found
        found |= new
    return found
