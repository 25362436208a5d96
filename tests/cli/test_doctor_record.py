"""What `bridge doctor` says of the record."""

import sqlite3
from pathlib import Path

from pydantic import SecretStr

from bridge.cli.doctor_record import check_record
from bridge.doctor import Finding
from bridge.settings import Settings


async def examine(folder: Path, url: str = "", **settings: object) -> list[Finding]:
    database = SecretStr(url or f"sqlite+aiosqlite:///{folder}/calls.db")
    given = {"database_url": database, "spool_dir": folder / "spool", **settings}
    return await check_record(Settings.model_validate(given))


async def test_a_record_that_is_off_is_said_to_be(tmp_path: Path) -> None:
    (finding,) = await examine(tmp_path, record="off")
    assert (finding.level, finding.message) == ("ok", "off: nothing is kept of calls")


async def test_a_file_that_is_still_to_be_made_is_not_made(tmp_path: Path) -> None:
    (finding,) = await examine(tmp_path)
    assert (finding.level, finding.message) == ("ok", f"{tmp_path}/calls.db will be made")
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240 - nothing else waits


async def test_a_file_without_tables_gets_them_at_the_next_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "calls.db") as empty:
        empty.execute("PRAGMA user_version = 1")
    empty.close()
    (finding,) = await examine(tmp_path)
    assert finding.message.endswith("its tables are made at the next start")


async def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_text("milk, eggs " * 200)
    (finding,) = await examine(tmp_path)
    assert finding.level == "problem"
    assert "calls.db" in finding.message


async def test_a_server_that_is_away_is_a_problem_without_its_password(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    url = f"postgresql+asyncpg://me:canary-pw@127.0.0.1:{unused_tcp_port}/calls"
    (finding,) = await examine(tmp_path, url)
    assert finding.level == "problem"
    assert "canary-pw" not in finding.message + finding.remedy
    assert "until then calls wait in the spool" in finding.remedy


async def test_a_spool_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    _, finding = await examine(tmp_path, spool_dir="/dev/null/spool")
    assert finding.level == "problem"
    assert finding.message.startswith("/dev/null/spool cannot be written to")
    assert "BRIDGE_SPOOL_DIR" in finding.remedy
