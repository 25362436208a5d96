"""What a bad disk does to a SQLite file."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import func, select

from bridge.store.database.database import Database
from bridge.store.database.tables import turns
from bridge.store.errors import DatabaseAway
from bridge.store.notes.note import Note
from tests.store.conftest import sqlite_at
from tests.store.scenes import a_call, a_head, a_turn, seed

KIB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(  # noqa: S603
            ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(  # noqa: S603
            ["/bin/umount", str(disk)], check=True
        )


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(turns)) or 0)


def long_turn(call: str) -> Note:
    return a_turn(a_head(call), said="word " * KIB)


async def fill(database: Database) -> None:
    for number in range(100):
        await database.save([long_turn(f"c{number}")])


async def test_a_full_disk_is_told_and_forgiven(small_disk: Path) -> None:
    database = Database(sqlite_at(small_disk / "calls.db"))
    await database.open()
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_bsize))

    with pytest.raises(DatabaseAway) as away:
        await fill(database)
    kept = await count(database)
    with pytest.raises(DatabaseAway):
        await database.save([long_turn("late")])
    ballast.unlink()
    await database.save([long_turn("late")])

    assert away.value.reason in {"disk_full", "disk"}
    assert await count(database) == kept + 1
    await database.close()


async def test_a_full_disk_at_start_is_away_and_not_hopeless(small_disk: Path) -> None:
    free = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_bsize))
    database = Database(sqlite_at(small_disk / "calls.db"))

    with pytest.raises(DatabaseAway):
        await database.open()
    ballast.unlink()
    await seed(database, a_call())

    assert await count(database) == 2
    await database.close()


async def test_damage_that_shows_later_is_told_loudly_and_nothing_is_deleted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "calls.db"
    database = Database(sqlite_at(path))
    await seed(database, *[a_call(f"c{number}", turns=30) for number in range(20)])
    await database.close()
    rubbish = bytes(path.stat().st_size - 4 * KIB)
    with path.open("r+b") as file:
        file.seek(4 * KIB)
        file.write(rubbish)

    with structlog.testing.capture_logs() as logs:
        for work in (count(database), database.save(a_call("late"))):
            with pytest.raises(DatabaseAway) as away:
                await work
            assert away.value.reason == "corrupt"
    await database.close()

    assert {log["log_level"] for log in logs if "damaged" in log["event"]} == {"critical"}
    assert path.read_bytes()[4 * KIB :] == rubbish
