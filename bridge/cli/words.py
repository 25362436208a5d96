"""Times and names of the record, as people read them."""

from datetime import datetime
from typing import Final

from bridge.local.plain import plain

ENDINGS: Final = {
    "hung_up": "hung up",
    "ended": "by the agent",
    "not_reading": "cut off",
    "nothing_said": "no start",
    "bad_frame": "bad frame",
    "server_stopped": "server stop",
}
"""How a call ended, short enough for a column; the others are shown as they are."""

ENDINGS_IN_FULL: Final = {
    "hung_up": "the caller hung up, or the connection was lost",
    "ended": "the agent ended the call",
    "transferred": "the agent transferred the caller",
    "replaced": "another connection took the call over",
    "not_reading": "cut off: Millis did not read what it was sent",
    "nothing_said": "closed: Millis never said what call it was",
    "bad_frame": "closed: Millis sent what is no message",
    "server_stopped": "the bridge was stopped",
    "aborted": "the process died in the call",
}

REASONS: Final = {
    "unreachable": "cannot be reached; is it running, and does BRIDGE_DATABASE_URL lead there?",
    "slow": "does not answer in time; try again",
    "locked": "another program holds it locked; try again",
    "busy": "it is busy; try again",
    "refused": "it does not let us in; correct the user, password or name in BRIDGE_DATABASE_URL",
    "read_only": "it cannot be written; correct its permissions",
    "disk_full": "its disk is full",
    "disk": "its disk has an error, or the file cannot be opened",
    "corrupt": "it is damaged: restore it from a copy",
    "schema": "its tables are not those of this bridge; try `bridge db upgrade`",
}
"""Why a database is away."""


def clock(seconds: float) -> str:
    """Write a length as a telephone shows it: `2:14`, `1:05:33`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def length(seconds: float) -> str:
    """Write a length in words: `14 s`, `2 min 14 s`, `1 h 5 min`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def wait(ms: int) -> str:
    """Write a wait: `412 ms`, `3.90 s`, `12.3 s`."""
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.2f} s" if ms < 10_000 else f"{ms / 1000:.1f} s"


def offset(ms: int) -> str:
    """Write a moment of a call: `0:03.2`."""
    tenths = max(0, ms) // 100
    return f"{clock(tenths / 10)}.{tenths % 10}"


def local(moment: datetime) -> datetime:
    """Tell a moment in the time of this machine."""
    return moment.astimezone()


def count(number: int, noun: str) -> str:
    """Count things: `1 call`, `2 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(text: object, room: int) -> str:
    """Make foreign text fit to be shown, and say how much of it is left out."""
    whole = plain(text).strip()
    if len(whole) <= room:
        return whole
    return f"{whole[:room]}… ({len(whole) - room:,} more characters)"
