"""The record of every call: spooled on disk at once, in the database soon after.

`Recorder` writes it, `Archive` reads it. See docs/record.md.
"""

from typing import TYPE_CHECKING, Any

from bridge.store.recorder import Recorder
from bridge.store.setup import RecordSetup

if TYPE_CHECKING:
    from bridge.store.reading.archive import Archive

__all__ = ["Archive", "RecordSetup", "Recorder"]


def __getattr__(name: str) -> Any:
    """Import the archive when it is asked for: with it comes SQLAlchemy, which takes a while."""
    if name == "Archive":
        from bridge.store.reading.archive import Archive  # noqa: PLC0415 - see above

        return Archive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
