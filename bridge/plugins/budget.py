"""What rendering a template may cost, so that none holds up the calls: steps, sizes, and time."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2.exceptions import SecurityError

MOST_STEPS: Final = 50_000
"""Rounds of loops, operations and calls; the characters they make count, too."""
MOST_SECONDS: Final = 0.25
"""Of the processor's time."""
LONGEST_REPEAT: Final = 64 * 1024
"""Characters or items that `*` may make, and bits that `**` may."""
_LARGEST: Final = 512 * 1024
"""Of one value: characters, and eight for each item, however deep it lies."""
_PER_STEP: Final = 256
"""What is made with one step."""
_LARGEST_PRODUCT: Final = 8 * 1024 * 1024
"""Of the sizes of what a filter or a method is given: `replace` may make that much of it."""
_WIDEST: Final = 1000
_OF_A_WIDTH: Final = frozenset(
    {"batch", "center", "expandtabs", "indent", "ljust", "pprint", "rjust", "round", "slice"}
    | {"to_bytes", "tojson", "wordwrap", "zfill"}
)
"""Filters and methods that make as much as a number says."""
_FORMATS: Final = frozenset({"format", "format_map"})
_WIDE: Final = re.compile(
    r"%(?:\([^)]*\))?[^a-zA-Z%]*(?:\*|\d{4})"  # %9999d, %*d
    r"|\{[^{}]*:[^{}]*(?:\{|\d{4})"  # {:9999}, {:{width}}
)
"""A field whose width is large, or a value's."""


class Budget:
    """What is left for one rendering."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start anew."""
        self._steps = MOST_STEPS
        self._until = time.thread_time() + MOST_SECONDS

    def spend(self, steps: int = 1) -> None:
        """Go on.

        Raises:
            SecurityError: nothing is left.
        """
        self._steps -= steps
        if self._steps < 0 or time.thread_time() > self._until:
            raise SecurityError("the template does too much")

    def made(self, value: Any) -> Any:
        """Pay for a value that was made, and pass it on.

        Raises:
            SecurityError: it is too large, or nothing is left.
        """
        self.spend(1 + self._fits(value) // _PER_STEP)
        return value

    def join(self, parts: Iterable[str]) -> str:
        """Make one text of several, unless it would be too large."""
        texts = list(parts)
        self._fits(texts)
        text: str = self.made("".join(texts))
        return text

    def operate(self, operator: str, left: Any, right: Any) -> None:
        """Look at an operation before it is done.

        Raises:
            SecurityError: its result would be too large.
        """
        if operator == "%" and isinstance(left, str):
            self.use("format", left, (right,))
        elif _size_of(operator, left, right) > LONGEST_REPEAT:
            raise SecurityError(f"the result of {operator} is too large")

    def use(self, name: str, subject: Any, others: Iterable[Any]) -> None:
        """Look at a filter or a method before it is used: a large result is not to be made at all.

        Raises:
            SecurityError: what it is given could make one.
        """
        others = tuple(others)
        wide = name in _OF_A_WIDTH and any(
            isinstance(other, int) and abs(other) > _WIDEST for other in others
        )
        if wide or (name in _FORMATS and isinstance(subject, str) and _WIDE.search(subject)):
            raise SecurityError(f"{name}: a number in it is too large")
        if (1 + weight(subject)) * (1 + weight(others)) > _LARGEST_PRODUCT:
            raise SecurityError(f"{name}: what it is given is too large")

    def _fits(self, value: Any) -> int:
        size = weight(value)
        if size > _LARGEST:
            raise SecurityError("a value is too large")
        return size


def weight(value: Any) -> int:
    """How large something is; more than the largest is not counted to its end."""
    if isinstance(value, str | bytes):
        return len(value)
    total, within = 0, [value]
    while within and total <= _LARGEST:
        one = within.pop()
        if isinstance(one, str | bytes | range):
            total += len(one)
        elif isinstance(one, Mapping):
            total += 8 * len(one)
            within += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            total += 8 * len(one)
            within += one
        elif isinstance(one, Iterator):  # not read yet: the longest range has no more
            total += 100_000
    return total


def _size_of(operator: str, left: Any, right: Any) -> float:
    if operator == "**":
        if isinstance(left, int) and isinstance(right, int):
            return left.bit_length() * right
        return 0  # of floats: large ones raise OverflowError by themselves
    if operator != "*":
        return 0  # of `+`: it is no larger than both, and looked at when it is made
    for value, times in ((left, right), (right, left)):
        if isinstance(value, str | bytes | list | tuple) and isinstance(times, int):
            return max(len(value), weight(value)) * times
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    return 0
