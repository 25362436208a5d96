"""Whether the database is well: how what was asked of it last went, and how it is going now."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from bridge.errors import SettingsError
from bridge.store.errors import DatabaseAway, NotesRefused

log = structlog.get_logger(__name__)

_OVERDUE: Final = 0.1
"""Seconds after which nobody should wait for the database: there is a caller on the line."""
_STUCK: Final = 1.0
"""Seconds after which it is said to be away, though it has not failed yet."""


class Pulse:
    """How the database does."""

    def __init__(self) -> None:
        self._trouble = "it is not open yet"
        self._began: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether the last operation went well, and none is overdue."""
        return not self._trouble and self._taken < _OVERDUE

    @property
    def trouble(self) -> str:
        """Why it is away; empty while it is not."""
        return self._trouble or ("it does not answer" if self._taken > _STUCK else "")

    @property
    def _taken(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Watch something that is asked of the database."""
        self._began = time.monotonic()
        try:
            yield
        except NotesRefused:  # it has answered
            self._well()
            raise
        except DatabaseAway as error:
            self._ill(error.reason)
            raise
        except SettingsError as error:
            self._ill(str(error))
            raise
        except Exception as error:
            self._ill(f"a fault of the bridge's: {type(error).__name__}")
            raise
        else:
            self._well()
        finally:
            self._began = None

    def _well(self) -> None:
        if self._trouble:
            log.info("the record's database is there")
        self._trouble = ""

    def _ill(self, trouble: str) -> None:
        if self._trouble != trouble:
            log.warning("the record's database is away; calls wait in the spool", reason=trouble)
        self._trouble = trouble
