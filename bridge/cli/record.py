"""Opening the record for a command; whatever keeps it shut is told in one line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from bridge.cli.words import REASONS
from bridge.errors import BridgeError, SettingsError
from bridge.local.plain import plain
from bridge.logs import configure_logs
from bridge.settings import Settings
from bridge.store.database.dialect import Dialect
from bridge.store.database.migrations import REVISIONS
from bridge.store.database.opening import dialect_of
from bridge.store.errors import DatabaseAway, FramesTooNew, NotesRefused
from bridge.store.reading.archive import Archive
from bridge.store.reading.reader import Reader

T = TypeVar("T")
HOW_TO_BEGIN: Final = "for a first call, `bridge serve`, and `bridge chat` in a second terminal"


class NoRecordYet(BridgeError):
    """There is no database, or nothing of ours in it."""


def with_archive(settings: Settings, work: Callable[[Archive], Awaitable[T]]) -> T:
    """Do something with the record as it is: nothing is made, nothing migrated.

    Raises:
        SettingsError: it cannot be read by this bridge.
        SystemExit: there is none, its database is away, or it is too new; that has been told.
    """
    url = settings.database_url.get_secret_value()
    configure_logs("error", settings.log_format, settings.secrets)
    kind = dialect_of(url)
    try:
        return asyncio.run(_with_archive(url, kind, work))
    except NoRecordYet:
        off = "recording is switched off (BRIDGE_RECORD)" if settings.record == "off" else ""
        fail(f"no record yet at {place_of(kind)}: {off or HOW_TO_BEGIN}", 1)
    except DatabaseAway as away:
        fail(away_in_words(kind, away), 2)
    except NotesRefused as refused:  # a number that is too large
        fail(f"database {place_of(kind)}: cannot look for that ({refused.kind})", 2)
    except FramesTooNew as error:
        without = "`show` without --frames, `export --no-frames`"
        fail(f"{error}: upgrade millis-bridge, or read it without them ({without})", 2)


async def _with_archive(url: str, kind: Dialect, work: Callable[[Archive], Awaitable[T]]) -> T:
    if is_missing(kind):
        raise NoRecordYet
    database = Reader(url)
    try:
        revision = await database.revision()
        if revision is None:
            raise NoRecordYet
        if revision != REVISIONS[-1]:
            raise SettingsError(
                f"database {place_of(kind)}: its tables are older than this bridge ("
                f"{revision}, not {REVISIONS[-1]}); bring them up to date with `bridge db upgrade`"
            )
        return await work(Archive(database))
    finally:
        await database.close()


def place_of(kind: Dialect) -> str:
    """Say where the record is, from any folder, and without the password."""
    return str(Path(kind.shown).absolute()) if kind.name == "sqlite" else kind.shown


def is_missing(kind: Dialect) -> bool:
    """Tell whether the file of the record is not there."""
    return kind.name == "sqlite" and not Path(kind.shown).exists()


def away_in_words(kind: Dialect, away: DatabaseAway) -> str:
    """Say that the database cannot be used now, and why."""
    return f"database {place_of(kind)}: {REASONS.get(away.reason, away.reason)}"


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong in one line, and end."""
    sys.stderr.write(f"bridge: {plain(message)}\n")
    raise SystemExit(code)
