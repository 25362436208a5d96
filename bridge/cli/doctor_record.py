"""What `bridge doctor` finds out about the record: the database, and the folder of the spool."""

import os
from pathlib import Path

from bridge.cli.record import away_in_words, is_missing
from bridge.doctor import Finding
from bridge.errors import SettingsError
from bridge.plugins.failures import one_line
from bridge.settings import Settings
from bridge.store.database.migrations import REVISIONS
from bridge.store.database.opening import dialect_of
from bridge.store.errors import DatabaseAway
from bridge.store.reading.reader import Reader


async def check_record(settings: Settings) -> list[Finding]:
    """Look whether calls can be kept, without making or changing anything."""
    if settings.record == "off":
        return [Finding("ok", "record", "off: nothing is kept of calls")]
    findings = [await _check_database(settings)]
    if wrong := _what_is_wrong_with(settings.spool_dir):
        remedy = "set BRIDGE_SPOOL_DIR to a folder on a local disk that can be written to"
        findings.append(Finding("problem", "record", wrong, remedy))
    return findings


async def _check_database(settings: Settings) -> Finding:
    url = settings.database_url.get_secret_value()
    try:
        kind = dialect_of(url)
    except SettingsError as error:
        return Finding("problem", "record", one_line(str(error)))
    if is_missing(kind):
        return _check_place(Path(kind.shown))
    database = Reader(url)
    try:
        revision = await database.revision()
    except SettingsError as error:
        return Finding("problem", "record", one_line(str(error)))
    except DatabaseAway as away:
        remedy = "start it, or correct BRIDGE_DATABASE_URL; until then calls wait in the spool"
        return Finding("problem", "record", one_line(away_in_words(kind, away)), remedy)
    finally:
        await database.close()
    if revision == REVISIONS[-1]:
        return Finding("ok", "record", f"{kind.shown}, {settings.record}")
    made = "are made" if revision is None else "are brought up to date"
    return Finding("ok", "record", f"{kind.shown}: its tables {made} at the next start")


def _check_place(path: Path) -> Finding:
    if wrong := _what_is_wrong_with(path):
        return Finding("problem", "record", wrong, "set BRIDGE_DATABASE_URL")
    return Finding("ok", "record", f"{path} will be made")


def _what_is_wrong_with(path: Path) -> str:
    """Whether a file or a folder can be made there, or be written to."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK) or (there != path and not there.is_dir()):
        return f"{path} cannot be written to ({there})"
    return ""
