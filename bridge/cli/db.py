"""`bridge db upgrade`: the tables of the record, brought up to date by hand."""

import asyncio

from rich.console import Console

from bridge.cli.record import away_in_words, fail, is_missing, place_of
from bridge.local.page import say
from bridge.logs import configure_logs
from bridge.settings import Settings
from bridge.store.database.database import Database
from bridge.store.database.migrations import REVISIONS
from bridge.store.database.opening import dialect_of
from bridge.store.errors import DatabaseAway
from bridge.store.reading.reader import Reader


def upgrade(settings: Settings) -> int:
    """Do what `bridge serve` does when it starts: make the tables, or migrate them."""
    url = settings.database_url.get_secret_value()
    configure_logs("error", settings.log_format, settings.secrets)
    kind = dialect_of(url)
    try:
        before = asyncio.run(_upgrade(url, is_new=is_missing(kind)))
    except DatabaseAway as away:
        fail(away_in_words(kind, away), 2)
    now = REVISIONS[-1]
    if before == now:
        told = f"up to date at revision {now}"
    else:
        told = f"from revision {before} to {now}" if before else f"made, at revision {now}"
    say(Console(highlight=False), "", f"{place_of(kind)}: {told}")
    return 0


async def _upgrade(url: str, *, is_new: bool) -> str | None:
    """Migrate; the revision before, None if there was none."""
    before = None
    if not is_new:
        looking = Reader(url)
        try:
            before = await looking.revision()
        finally:
            await looking.close()
    database = Database(url)
    try:
        await database.open()
    finally:
        await database.close()
    return before
