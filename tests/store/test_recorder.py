"""The record as a whole: calls note and never wait, and what they noted is in the database."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.call.events import CallBegan, CallData, CallEnded, TurnBegan, TurnEnded
from bridge.errors import SettingsError
from bridge.store import Recorder, RecordSetup
from bridge.store.database.database import Database
from bridge.store.losses import Losses
from bridge.store.shapes import CallDetail, Filters
from bridge.store.spool.abandoned import Abandoned
from tests.store.spooling import Desk, end_note, full_disk, turn_note, until


@pytest.fixture
def setup(url: str, tmp_path: Path) -> RecordSetup:
    return RecordSetup(url, "full", tmp_path / "spool", 1 << 26, 0)


@pytest.fixture
def sqlite_setup(tmp_path: Path) -> RecordSetup:
    """A file that is not there yet."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    return RecordSetup(url, "full", tmp_path / "spool", 1 << 26, 0)


def no_postgres() -> str:
    """Where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"postgresql+asyncpg://bridge:secret@127.0.0.1:{free.getsockname()[1]}/calls"


async def recorded(recorder: Recorder, call: str) -> CallDetail:
    [found] = await recorder.archive.call(call)
    return found


async def test_a_start_knows_what_a_dead_process_has_recorded(setup: RecordSetup) -> None:
    dead = Desk.open(setup.spool_dir)
    dead.spool.append(turn_note("a", 1))
    dead.spool.flush()
    dead.die()

    async with Recorder(setup) as recorder:
        assert [turn.number for turn in (await recorded(recorder, "a")).timeline] == [1]


async def test_a_call_is_in_the_database_a_moment_after_it_happened(setup: RecordSetup) -> None:
    call = CallData(session_id="session", agent_id="agent", caller="+4930123456")
    async with Recorder(setup) as recorder:
        record = recorder.open()
        record.note(call, CallBegan())
        record.note(call, TurnBegan(1, 1, "Hello?", 0))
        ended = TurnEnded(1, 1, "complete", "Hi.", 0.1, 0.05, 0.2)
        record.secure(call, ended)
        record.note(call, ended)
        await recorder.written()

        live = await recorded(recorder, "session")
        assert (live.state, live.caller, live.replica) == ("live", "+4930123456", recorder.replica)
        assert [turn.said for turn in live.timeline] == ["Hi."]

        over: list[str] = []
        recorder.on_ended = over.extend
        record.note(call, CallEnded("hung_up"))
        await recorder.written()

        assert over == [live.id]
        assert (await recorded(recorder, "session")).state == "ended"
        status = recorder.status()
    assert (status["state"], status["reason"], status["waiting"]) == ("ok", None, 0)
    assert (status["spool_bytes"], status["lost"]) == (0, {})
    assert status["written"] >= 3
    assert list(setup.spool_dir.iterdir()) == []


async def test_a_turn_is_on_the_disk_before_its_last_frame_leaves(
    sqlite_setup: RecordSetup,
) -> None:
    async with Recorder(sqlite_setup) as recorder:
        call = CallData(session_id="session")
        record = recorder.open()
        record.note(call, TurnBegan(1, 1, "Hello?", 0))
        record.secure(call, TurnEnded(1, 1, "complete", "Hi there.", 0.1))
        [segment] = (sqlite_setup.spool_dir / recorder.replica).glob("*.jsonl")
        assert b"Hi there." in segment.read_bytes()


async def test_what_nobody_secures_is_on_the_disk_soon(sqlite_setup: RecordSetup) -> None:
    async with Recorder(replace(sqlite_setup, url=no_postgres()), patience=0) as recorder:
        recorder._keep(turn_note("a", 1))
        folder = sqlite_setup.spool_dir / recorder.replica
        began = time.monotonic()
        await until(lambda: sum(path.stat().st_size for path in folder.glob("*.jsonl")))
        assert time.monotonic() - began < 5


async def test_what_waits_at_the_end_is_written_first(setup: RecordSetup) -> None:
    async with Recorder(setup) as recorder:
        for number in range(1, 501):
            recorder._keep(turn_note("a", number))
    assert list(setup.spool_dir.iterdir()) == []
    async with Recorder(setup) as recorder:
        assert len((await recorded(recorder, "a")).timeline) == 500


async def test_a_spool_folder_that_cannot_be_written_is_an_error_at_the_start(
    sqlite_setup: RecordSetup, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    setup = replace(sqlite_setup, spool_dir=tmp_path / "file" / "spool")
    with pytest.raises(SettingsError, match=str(setup.spool_dir)):
        async with Recorder(setup):
            pass


async def test_a_database_file_that_is_none_is_an_error_at_the_start_and_leaves_nothing(
    sqlite_setup: RecordSetup, tmp_path: Path
) -> None:
    (tmp_path / "calls.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(SettingsError, match=r"calls\.db"):
        async with Recorder(sqlite_setup):
            pass
    assert list(sqlite_setup.spool_dir.iterdir()) == []
    assert (tmp_path / "calls.db").read_bytes() == b"no database" * 1_000


async def test_a_driver_that_is_unknown_is_an_error_at_the_start(sqlite_setup: RecordSetup) -> None:
    with pytest.raises(SettingsError, match="BRIDGE_DATABASE_URL"):
        async with Recorder(replace(sqlite_setup, url="mysql://host/calls")):
            pass
    assert list(sqlite_setup.spool_dir.iterdir()) == []


async def test_without_postgresql_the_bridge_starts_and_calls_wait_in_the_spool(
    sqlite_setup: RecordSetup,
) -> None:
    setup = replace(sqlite_setup, url=no_postgres())
    began = time.monotonic()
    async with Recorder(setup, patience=0.1) as recorder:
        assert time.monotonic() - began < 10
        assert not recorder.healthy
        recorder._keep(turn_note("a", 1))
        status = recorder.status()
        assert status["state"] == "away"
        assert "secret" not in str(status)
        assert status["waiting"] == 1
    assert len(list(setup.spool_dir.glob("*/000001.jsonl"))) == 1

    async with Recorder(sqlite_setup) as recorder:  # the next start, with another database
        await until(lambda: not list(setup.spool_dir.glob("*/000001.jsonl")))
        assert (await recorded(recorder, "a")).timeline[0].said == "Hi."


async def test_a_postgresql_that_says_nothing_does_not_hold_up_the_start(
    sqlite_setup: RecordSetup,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        port = silent.getsockname()[1]
        url = f"postgresql+asyncpg://u:secret@127.0.0.1:{port}/calls"
        began = time.monotonic()
        async with Recorder(replace(sqlite_setup, url=url), patience=0.1) as recorder:
            assert 1.5 < time.monotonic() - began < 10
            assert recorder.status()["state"] == "away"
        assert time.monotonic() - began < 20


async def test_calls_of_a_process_that_died_are_aborted_and_named(setup: RecordSetup) -> None:
    dead = Desk.open(setup.spool_dir)
    for note in (turn_note("a", 1), turn_note("b", 1), end_note("b", 2)):
        dead.spool.append(replace(note, head=replace(note.head, replica=dead.folder.replica)))
    dead.spool.flush()
    dead.die()

    named: list[str] = []
    recorder = Recorder(setup)
    recorder.on_ended = named.extend
    async with recorder:
        await until(lambda: not dead.folder.path.exists())
        aborted, ended = await recorded(recorder, "a"), await recorded(recorder, "b")

    assert named == ["b", "a"]
    assert (aborted.state, aborted.ending) == ("aborted", "aborted")
    assert [turn.said for turn in aborted.timeline] == ["Hi."]
    assert ended.state == "ended"
    assert list(setup.spool_dir.iterdir()) == []


def test_importing_it_does_not_take_the_time_of_a_database_library() -> None:
    code = "import sys, bridge.store; sys.exit('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own
    assert done.returncode == 0


async def test_two_processes_share_a_spool_folder_and_a_database(setup: RecordSetup) -> None:
    async with Recorder(setup) as first, Recorder(setup) as second:
        for number in range(1, 51):
            first._keep(turn_note("a", number, replica=first.replica))
            second._keep(turn_note("b", number, replica=second.replica))
        await first.written()
        await second.written()
        assert first.replica != second.replica
        for call in ("a", "b"):
            found = await recorded(first, call)
            assert len(found.timeline) == 50
            assert found.state == "live"


async def test_who_is_tired_of_waiting_for_the_end_may_cancel_it(
    sqlite_setup: RecordSetup,
) -> None:
    recorder = Recorder(replace(sqlite_setup, url=no_postgres()))

    async def serve() -> None:
        async with recorder:
            recorder._keep(turn_note("a", 1))

    serving = asyncio.create_task(serve())
    await until(lambda: list(sqlite_setup.spool_dir.glob("*/000001.jsonl")))
    serving.cancel()
    began = time.monotonic()
    await asyncio.wait({serving})
    assert serving.cancelled()
    assert time.monotonic() - began < 4
    [left] = Abandoned.found(sqlite_setup.spool_dir, Losses())  # its lock is free
    assert left.size > 0
    left.release()


async def test_the_status_asks_nobody(setup: RecordSetup) -> None:
    async with Recorder(setup) as recorder:
        for number in range(1, 501):
            recorder._keep(turn_note("a", number))
        began = time.perf_counter()
        for _ in range(100):
            recorder.status()
        assert time.perf_counter() - began < 0.1


async def test_notes_that_wait_long_show_as_behind(setup: RecordSetup) -> None:
    async with Recorder(setup) as recorder:
        recorder._keep(turn_note("a", 1))
        assert recorder.status()["state"] == "ok"
        recorder._writer.level_at -= 11
        assert recorder.status()["state"] == "behind"
        await recorder.written()
        assert recorder.status()["state"] == "ok"


async def test_a_disk_that_takes_nothing_shows(setup: RecordSetup) -> None:
    async with Recorder(setup) as recorder:
        recorder._keep(turn_note("a", 1))
        with full_disk():
            recorder._spool.flush()
        status = recorder.status()
        assert (status["state"], status["reason"]) == ("behind", "the spool: File too large")
        await recorder.written()
        assert recorder.status()["reason"] is None


async def test_old_calls_are_swept(setup: RecordSetup) -> None:
    async with Recorder(setup) as recorder:
        recorder._keep(end_note("a", 1))
    async with Recorder(replace(setup, retention_days=30)) as recorder:
        sweeping = recorder._writer._sweeping
        await until(lambda: sweeping._task is not None and sweeping._task.done())
        assert (await recorder.archive.calls(Filters())).calls == ()


async def test_who_speaks_does_not_feel_a_database_that_hangs(setup: RecordSetup) -> None:
    database = Database(setup.url)
    async with Recorder(setup) as recorder:
        recorder._keep(turn_note("a", 1))
        await recorder.written()
        health = [recorder.healthy]
        times = []
        async with database.writing() as connection:  # everybody else has to wait for this
            if database.dialect == "postgresql":
                await connection.execute(text("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"))
            recorder._writer.hurry()
            for number in range(2, 301):
                began = time.perf_counter()
                recorder._keep(turn_note("a", number, "word " * 400))
                recorder._flush()
                times.append(time.perf_counter() - began)
                await asyncio.sleep(0.002)
            health.append(recorder.healthy)
            assert recorder.status()["waiting"] == 299
        await database.close()
        await recorder.written()
        health.append(recorder.healthy)
        assert len((await recorded(recorder, "a")).timeline) == 300
    assert health == [True, False, True]
    assert sorted(times)[len(times) // 2] < 0.001
    assert max(times) < 0.05


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 768 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=768k", "none", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        pytest.skip(f"mounting is not permitted: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S603, S607


async def test_on_a_full_disk_everything_waits_and_arrives_when_there_is_room(
    small_disk: Path,
) -> None:
    url = f"sqlite+aiosqlite:///{small_disk / 'calls.db'}"
    setup = RecordSetup(url, "full", small_disk / "spool", 1 << 26, 0)
    async with Recorder(setup) as recorder:
        recorder._keep(turn_note("a", 1))
        await recorder.written()
        with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"x" * 512)

        for number in range(2, 301):
            recorder._keep(turn_note("a", number))
            recorder._flush()
        await until(lambda: recorder.status()["state"] == "away")
        status = recorder.status()
        assert status["waiting"] == 299
        assert status["lost"] == {}

        (small_disk / "filler").unlink()
        await recorder.written()
        assert recorder.status()["state"] == "ok"
        assert recorder.status()["lost"] == {}
        assert len((await recorded(recorder, "a")).timeline) == 300
    assert list(setup.spool_dir.iterdir()) == []


async def test_a_spool_on_a_full_disk_does_not_keep_notes_from_a_database_elsewhere(
    small_disk: Path, url: str
) -> None:
    setup = RecordSetup(url, "full", small_disk / "spool", 1 << 26, 0)
    async with Recorder(setup) as recorder:
        (small_disk / "filler").write_bytes(b"x" * 760 * 1024)
        for number in range(1, 1_001):
            recorder._keep(turn_note("a", number))
            recorder._flush()
        assert recorder.status()["reason"] == "the spool: No space left on device"
        await recorder.written()
        assert len((await recorded(recorder, "a")).timeline) == 1_000
        assert recorder.status()["lost"] == {}
