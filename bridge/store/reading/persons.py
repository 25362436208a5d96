"""Who calls: what two calls of one person have in common. Pure."""

import re
from dataclasses import dataclass
from typing import Final, Self

from bridge.call.events import CallData
from bridge.store.notes.plain import name_in, text_or_none

_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,30}")
_FEWEST_DIGITS: Final = 7
_FEWEST_DIFFERENT: Final = 3
"""Digits of a number that differ: there are numbers of zeros for those who hide theirs."""
_WITHHELD: Final = frozenset(
    {
        "266696687",  # the letters of ANONYMOUS on a telephone's keys, which networks send
        "2562533",  # BLOCKED
        "7748283",  # PRIVATE
        "7378742833",  # RESTRICTED
        "86282452253",  # UNAVAILABLE
        "8656696",  # UNKNOWN
        "94844353",  # WITHHELD
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """What a call tells of who calls. Empty or None: not known."""

    user_id: str | None
    number: str | None
    """The caller's; never a withheld one."""
    called: str | None

    @classmethod
    def of(cls, call: CallData) -> Self:
        """Who this call is from."""
        return cls(
            name_in(call.metadata, "user_id"),
            known_number(text_or_none(call.caller)),
            text_or_none(call.called),
        )

    @property
    def is_known(self) -> bool:
        """Whether they could be known again."""
        return bool(self.user_id or self.number)

    def is_same(self, user_id: str | None, caller: str | None) -> bool:
        """Whether another call was theirs. Where both have a user id, that decides."""
        if self.user_id and user_id:
            return self.user_id == user_id
        return self.number is not None and self.number == caller


def known_number(caller: str | None) -> str | None:
    """The number, if it is one that tells people apart: not a word, nor a stand-in for none."""
    if caller is None or not _NUMBER.fullmatch(caller):
        return None
    digits = re.sub(r"\D", "", caller)
    if len(digits) < _FEWEST_DIGITS or len(set(digits)) < _FEWEST_DIFFERENT:
        return None
    if digits.removeprefix("1") in _WITHHELD or digits in _WITHHELD:
        return None
    return caller
