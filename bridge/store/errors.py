"""What can go wrong with the record's database, by what follows from it.

BridgeError
├── DatabaseAway   down, frozen, locked, full   → tried again later
├── NotesRefused   it said no to the content    → the notes are parted, and the bad one set aside
└── FramesTooNew   a newer bridge wrote them    → told; the rest of the call can be read

What never will work is a `SettingsError`: another's database, a newer schema, no rights.
"""

from typing import Literal

from bridge.errors import BridgeError

Reason = Literal[
    "unreachable",  # not there, or the connection was lost
    "slow",  # it did not answer in time
    "busy",  # too many want something of it
    "locked",  # somebody else holds it, or its tables
    "conflict",  # two waited for each other, and this one had to give way
    "refused",  # it does not let us in, or not do this
    "read_only",
    "disk_full",
    "disk",
    "memory",
    "corrupt",
    "schema",  # a table is not as it should be
    "closed",  # by ourselves
    "fault",  # anything else
]


class DatabaseAway(BridgeError):
    """The database cannot be used now. `reason` is one of a fixed set, fit for a metric's label."""

    def __init__(self, reason: Reason = "unreachable") -> None:
        super().__init__(f"the database is away: {reason}")
        self.reason: Reason = reason


class NotesRefused(BridgeError):
    """The database will not take these notes, now or ever. `kind` names its objection.

    Nothing of the batch was kept. One of the notes may be to blame, and the others well.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"the database refused the notes: {kind}")
        self.kind = kind


class FramesTooNew(BridgeError):
    """The frames of a call are of a format that this bridge does not know."""

    def __init__(self, call: str) -> None:
        super().__init__(f"a newer millis-bridge wrote the frames of call {call}")
