"""Foreign text made fit for a terminal: it can neither move the cursor nor change a colour."""

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles
    r"|\x1b[ -/]*[0-~]?"
)
_SPACES = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they reorder what is read
    r"\ud800-\udfff]"  # cannot be printed
)


def plain(text: object) -> str:
    """Remove escape sequences and control characters; line ends become spaces.

    A sequence that is cut in two leaves its harmless rest as text.
    """
    return _CONTROLS.sub("", _SPACES.sub(" ", _ESCAPES.sub("", str(text))))


def cut(text: str, room: int) -> str:
    """Shorten text to `room` characters."""
    return text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"
