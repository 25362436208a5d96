"""The record as JSON, fit for a terminal, too: what would command it is written as an escape."""

import re
import sys
from typing import Final

from pydantic import BaseModel, TypeAdapter

from bridge.store.shapes import CallDetail

_DETAILS: Final = TypeAdapter(list[CallDetail])
_COMMANDS: Final = re.compile(
    r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""What JSON leaves as it is: controls, and what reorders the text. It can only be in strings."""


def show(shape: BaseModel) -> None:
    """Print one thing."""
    _print(shape.model_dump_json(indent=2))


def show_all(calls: list[CallDetail]) -> None:
    """Print a list of calls."""
    _print(_DETAILS.dump_json(calls, indent=2).decode())


def line(call: CallDetail) -> bytes:
    """Write a call as one line."""
    return f"{_tamed(call.model_dump_json())}\n".encode()


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(f"{_tamed(text)}\n".encode())
    sys.stdout.buffer.flush()


def _tamed(text: str) -> str:
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
