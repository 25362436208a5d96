"""What the record needs to know."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class RecordSetup:
    """Where the record is kept, and how much of it."""

    url: str
    """SQLAlchemy's, with an asyncio driver. It may hold a password: never print it."""
    level: Literal["full", "text", "metadata"]
    spool_dir: Path
    """On a local disk: each process locks a folder of its own in it."""
    spool_limit: int
    """Bytes of notes that may wait for the database; beyond them the oldest are lost."""
    retention_days: int
    """0: for ever."""
