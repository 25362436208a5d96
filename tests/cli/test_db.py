import sqlite3
from importlib import import_module
from pathlib import Path

import pytest

from bridge.store.database.migrations import REVISIONS
from tests.cli.commands import bridge
from tests.cli.records import bridge_inside, file_of, keep
from tests.store.postgres import new_database
from tests.store.scenes import a_call

NEWEST = REVISIONS[-1]


async def test_the_record_is_made_by_hand(tmp_path: Path) -> None:
    made = await bridge("db", "upgrade", cwd=tmp_path)
    again = await bridge("db", "upgrade", cwd=tmp_path)

    assert made.code == again.code == 0
    assert made.words == f"{tmp_path}/calls.db: made, at revision {NEWEST}"
    assert again.words == f"{tmp_path}/calls.db: up to date at revision {NEWEST}"
    assert made.err == again.err == ""
    assert (tmp_path / "calls.db").stat().st_mode & 0o777 == 0o600


def test_older_tables_are_migrated_from_where_they_are(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(sqlite_url, a_call("c1"))
    monkeypatch.setattr(
        import_module("bridge.cli.db"), "REVISIONS", (*REVISIONS, "9999")
    )  # as if there were a newer one
    ran = bridge_inside(sqlite_url, "db", "upgrade")

    assert ran.code == 0
    assert ran.out.split() == f"{file_of(sqlite_url)}: from revision {NEWEST} to 9999".split()


def test_afterwards_calls_can_be_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"

    assert bridge_inside(url, "db", "upgrade").code == 0
    assert bridge_inside(url, "calls").out.startswith("No calls yet")


async def test_a_server_is_named_without_its_password(postgres_server: str) -> None:
    async with new_database(postgres_server) as url:
        secret = url.replace("postgres@", "postgres:hush-hush@")
        made = await bridge("db", "upgrade", cwd=Path("/"), BRIDGE_DATABASE_URL=secret)
        again = await bridge("db", "upgrade", cwd=Path("/"), BRIDGE_DATABASE_URL=secret)

    assert made.code == again.code == 0
    assert made.words.startswith("postgresql://postgres@")
    assert made.words.endswith(f": made, at revision {NEWEST}")
    assert again.words.endswith(f": up to date at revision {NEWEST}")
    assert "hush" not in made.out + made.err + again.out + again.err


def test_another_programs_database_is_refused_in_one_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "calls.db") as file:
        file.execute("CREATE TABLE calls (id INTEGER)")
    file.close()
    ran = bridge_inside(f"sqlite:///{tmp_path}/calls.db", "db", "upgrade")

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "is not the bridge's" in ran.err


def test_newer_tables_are_refused_in_one_line(sqlite_url: str) -> None:
    keep(sqlite_url, a_call("c1"))
    with sqlite3.connect(file_of(sqlite_url)) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    for command in (("db", "upgrade"), ("calls",)):
        ran = bridge_inside(sqlite_url, *command)

        assert ran.code == 2
        assert len(ran.err.splitlines()) == 1
        assert "newer" in ran.err


@pytest.mark.parametrize("url", ["mysql://root:hush-hush@db/calls", "sqlite://", "hush-hush"])
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    ran = bridge_inside(url, "db", "upgrade")

    assert ran.code == 2
    assert ran.err.startswith("bridge: BRIDGE_DATABASE_URL")
    assert len(ran.err.splitlines()) == 1
    assert "hush" not in ran.err
