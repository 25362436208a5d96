"""Which of the caller's lines each turn answered, in a conversation that Millis tells anew.

Millis may leave lines out, join them, or write one differently the next time, and callers say "yes"
twice. Turns keep their order, so their lines do: of all ways to give lines to turns in order, the
one with the most equal lines is taken, and of those the one with the smallest shifts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.call.ledger import Entry, beginning, plain

_CHOICES = 8
"""Equal lines that are looked at for one turn: those nearest to where it was."""
_NEAR = 16
"""Lines around the expected one that are searched for a joined one."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """Turns and their lines, as far as this one."""

    line: int
    worth: tuple[int, int]
    """Equal lines, and the shifts they need (negative)."""
    turn: int
    before: _Chain | None


def places(lines: Sequence[str], entries: Sequence[Entry]) -> list[int]:
    """For each turn, the line that it answered; -1 for before the first. Never decreases."""
    spoken = [plain(line) for line in lines]
    groups = _groups(entries)
    newest = [group[-1] for group in groups]
    found = _equal(newest, [beginning(line) for line in spoken])
    _joined(newest, spoken, found)
    places = _filled(newest, found, len(lines))
    return [place for group, place in zip(groups, places, strict=True) for _ in group]


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Turns that answered the same line: asked again, or once the caller had said more of it."""
    groups: list[list[Entry]] = []
    for entry in entries:
        last = groups[-1][-1] if groups else None
        if last is not None and last.place == entry.place and _holds(entry.asked, last.asked):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _equal(turns: Sequence[Entry], lines: Sequence[str]) -> list[int | None]:
    """Give lines to turns that asked just this."""
    where: defaultdict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        where[line].append(number)
    chains: list[_Chain] = []
    for number, turn in enumerate(turns):
        if turn.place >= 0:
            near = _nearest(where.get(turn.asked, []), turn.place)
            for chain in [_longer(chains, number, line, turn.place) for line in near]:
                _add(chains, chain)
    found: list[int | None] = [None] * len(turns)
    best = chains[-1] if chains else None
    while best is not None:
        found[best.turn] = best.line
        best = best.before
    return found


def _nearest(lines: Sequence[int], place: int) -> Sequence[int]:
    at = bisect_left(lines, place)
    return lines[max(0, at - _CHOICES // 2) : at + _CHOICES // 2]


def _longer(chains: Sequence[_Chain], turn: int, line: int, place: int) -> _Chain:
    at = bisect_left(chains, line, key=lambda chain: chain.line)
    before = chains[at - 1] if at else None
    equal, shifts = before.worth if before else (0, 0)
    return _Chain(line, (equal + 1, shifts - abs(place - line)), turn, before)


def _add(chains: list[_Chain], new: _Chain) -> None:
    """Keep only chains that are worth more than every one which ends no later."""
    at = bisect_left(chains, new.line + 1, key=lambda chain: chain.line)
    if at and chains[at - 1].worth >= new.worth:
        return
    start = at - 1 if at and chains[at - 1].line == new.line else at
    while at < len(chains) and chains[at].worth <= new.worth:
        at += 1
    chains[start:at] = [new]


def _joined(turns: Sequence[Entry], lines: Sequence[str], found: list[int | None]) -> None:
    """Look for lines that Millis joined with what the caller said before or after."""
    nexts = _next_found(found, len(lines) - 1)
    low, low_place = 0, 0
    for number, turn in enumerate(turns):
        if found[number] is None and turn.asked:
            expected = low + max(0, turn.place - low_place)
            near = range(max(low, expected - _NEAR), min(nexts[number], expected + _NEAR) + 1)
            holding = [line for line in near if _holds(lines[line], turn.asked)]
            found[number] = min(holding, key=lambda line: abs(line - expected), default=None)
        if (line := found[number]) is not None:
            low, low_place = line, turn.place


def _filled(turns: Sequence[Entry], found: Sequence[int | None], count: int) -> list[int]:
    """Put the other turns between those: their lines are missing, or written differently.

    Never at the last line, which is the one to be answered now.
    """
    nexts = _next_found(found, count - 1)
    places: list[int] = []
    low, low_place = -1, -1
    for number, turn in enumerate(turns):
        line = found[number]
        if line is None:
            line = max(low, min(low + max(0, turn.place - low_place), nexts[number] - 1))
        low, low_place = line, max(turn.place, low_place)
        places.append(line)
    return places


def _next_found(found: Sequence[int | None], last: int) -> list[int]:
    """For each turn, the line of the next one that has a line."""
    nexts: list[int] = []
    for line in reversed(found):
        last = last if line is None else line
        nexts.append(last)
    return nexts[::-1]


def _holds(line: str, asked: str) -> bool:
    if not asked.isascii():  # not every script has spaces between words
        return asked in line
    return f" {asked} " in f" {line} "
