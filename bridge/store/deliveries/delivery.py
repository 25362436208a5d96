"""One thing that is still to be done about a call that is over."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

_NAME: Final = re.compile(r"([a-z][a-z_]{0,31})-([A-Za-z0-9_~%-]{0,200})")
LONGEST_PAYLOAD: Final = 64 << 10
"""Bytes, as JSON."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be done for `key`, as a rule the id of a call. Times are seconds since 1970."""

    kind: str
    """Who does it: `call_ended` for the webhook. A word in small letters."""
    key: str
    """Short: 66 characters of any sort, or 200 letters and digits."""
    at: float
    """When it was put here."""
    due: float
    """When it is to be tried."""
    attempts: int = 0
    """Times that it was tried in vain."""
    first: float | None = None
    """When it was first tried in vain."""
    payload: Mapping[str, Any] | None = None
    """What is to be done, in plain JSON, if the key does not say all."""

    @property
    def id(self) -> str:
        """The same for the same kind and key, always: who gets it twice can tell."""
        return f"{self.kind}-{quote(self.key, safe='').replace('.', '%2E')}"


def checked(delivery: Delivery) -> Delivery:
    """A delivery that can be kept.

    Raises:
        ValueError: it cannot.
    """
    if kind_of(delivery.id) != delivery.kind:
        raise ValueError("a kind is a word in small letters, and a key is short")
    try:
        size = len(orjson.dumps(delivery.payload))
    except TypeError:
        raise ValueError("a payload is plain JSON") from None
    if size > LONGEST_PAYLOAD:
        raise ValueError(f"a payload has at most {LONGEST_PAYLOAD >> 10} KiB, not {size:,} bytes")
    return delivery


def kind_of(name: str) -> str | None:
    """The kind of the delivery that a file of that name is; None if it is none."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]
