import asyncio
import tracemalloc
from pathlib import Path

import pytest

from bridge.store.shapes import CallDetail
from tests.cli.records import HOSTILE, UNFIT, a_wire, bridge_inside, keep, words
from tests.store.scenes import BEGAN, a_call, a_head, a_turn
from tests.wire import run_cli


@pytest.fixture
def three_calls(sqlite_url: str) -> str:
    frames = a_wire(a_head("c2", started_at=BEGAN), (0, "o", words(HOSTILE)))
    keep(
        sqlite_url,
        a_call("c3", started_at=BEGAN + 2000, tools=1),
        [*a_call("c2", started_at=BEGAN), frames],
        a_call("c1", started_at=BEGAN + 1000, goes={"failed": 1}),
    )
    return sqlite_url


def read(text: str) -> list[CallDetail]:
    return [CallDetail.model_validate_json(line) for line in text.splitlines()]


def test_calls_are_exported_whole_oldest_first_one_a_line(three_calls: str) -> None:
    ran = bridge_inside(three_calls, "calls", "export")
    calls = read(ran.out)

    assert ran.code == 0
    assert ran.err == ""
    assert [call.id for call in calls] == ["c2", "c1", "c3"]
    assert calls[2].timeline[0].tool_runs[0].name == "look_up"
    assert calls[0].frames is not None
    assert calls[0].frames[0].message["data"]["content"] == HOSTILE
    assert not any(unfit in ran.out for unfit in UNFIT)


def test_frames_may_be_left_out_and_calls_filtered(three_calls: str) -> None:
    ran = bridge_inside(three_calls, "calls", "export", "--no-frames")
    failed = bridge_inside(three_calls, "calls", "export", "--failed", "--slow", "1")
    only = bridge_inside(three_calls, "calls", "export", "--failed", "-o", "-")

    assert [call.frames for call in read(ran.out)] == [None] * 3
    assert failed.out == ""
    assert [call.id for call in read(only.out)] == ["c1"]


@pytest.mark.parametrize("before", [None, 0o666])
def test_a_file_is_for_its_owner_only(three_calls: str, tmp_path: Path, before: int | None) -> None:
    file = tmp_path / "calls.jsonl"
    if before is not None:
        file.write_text("old " * 100_000)
        file.chmod(before)
    ran = bridge_inside(three_calls, "calls", "export", "--output", str(file))

    assert ran.code == 0
    assert ran.out == ""
    assert ran.err == f"3 calls written to {file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [call.id for call in read(file.read_text())] == ["c2", "c1", "c3"]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("nowhere/x", "nowhere/x: No such file or directory"),
        ("nowhere/\x1b[31mx", "nowhere/x: No such file or directory"),
        ("/dev/full", "/dev/full: No space left on device"),
    ],
)
def test_what_cannot_be_written_is_one_line(three_calls: str, file: str, why: str) -> None:
    ran = bridge_inside(three_calls, "calls", "export", "-o", file)

    assert ran.code == 1
    assert ran.err.startswith(f"bridge: cannot write {why}")
    assert len(ran.err.splitlines()) == 1


async def test_a_reader_who_has_had_enough_is_no_error(three_calls: str, tmp_path: Path) -> None:
    long = [a_turn(a_head(f"long{i}"), 0, said="x" * 60_000) for i in range(30)]
    await asyncio.to_thread(keep, three_calls, long)
    process = await run_cli(tmp_path, "calls", "export", BRIDGE_DATABASE_URL=three_calls)
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    complaint = await process.stderr.read()
    await process.wait()

    assert complaint == b""


def test_however_many_calls_there_are_memory_stays_flat(sqlite_url: str) -> None:
    keep(sqlite_url, [a_turn(a_head(f"c{i}"), 0, said="x" * 60_000) for i in range(300)])
    bridge_inside(sqlite_url, "calls", "export", "--agent", "nobody")  # all is imported
    tracemalloc.start()
    ran = bridge_inside(sqlite_url, "calls", "export", "-o", "/dev/null")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ran.code == 0
    assert peak < 10_000_000  # of 18,000,000 characters
