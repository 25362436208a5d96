"""The queue on the disk: what is flushed survives, in order, until it is in the database."""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.store.losses import Losses
from bridge.store.notes.note import Note
from bridge.store.spool.abandoned import Abandoned
from bridge.store.spool.spool import REMEMBERED
from tests.store.spooling import Desk, full_disk, head_of, no_descriptors, taken, turn_note


@pytest.fixture(autouse=True, params=[0, 1_000, REMEMBERED], ids="remembering {}".format)
def remembered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still in memory is not read from the disk: it must make no difference."""
    monkeypatch.setattr(Desk, "remembered", request.param)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk.open(tmp_path / "spool")
    yield desk
    desk.close()


def numbers(notes: list[Note]) -> list[int]:
    return [note.seq for note in notes]


def lines_on_disk(desk: Desk) -> int:
    return sum(path.read_bytes().count(b"\n") for path in desk.folder.segments())


def heirs_of(desk: Desk) -> Abandoned:
    """Take over what a process left that has died."""
    desk.die()
    [left] = Abandoned.found(desk.spool_dir, desk.losses)
    return left


def test_nothing_is_on_the_disk_before_a_flush_and_all_of_it_after(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    desk.spool.append(turn_note("a", 2))
    assert desk.bytes_on_disk == 0

    assert desk.spool.flush()

    assert lines_on_disk(desk) == 2
    assert desk.spool.waiting == 2


def test_a_note_comes_back_as_it_was(desk: Desk) -> None:
    row = {"data": bytes(range(256)), "other": 'ü "\\ \n 😀', "none": None, "deep": {"a": [1.5]}}
    note = Note("frames", head_of("a"), 7, row)
    desk.spool.append(note)
    assert desk.take_all() == [note]


def test_what_is_flushed_survives_the_process(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    desk.spool.append(turn_note("a", 2))

    left = heirs_of(desk)

    assert numbers(list(taken(left))) == [1]
    left.release()
    assert list(desk.spool_dir.iterdir()) == []


def test_a_batch_is_the_same_until_it_is_done(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    first = desk.spool.batch()
    desk.spool.append(turn_note("a", 2))
    assert desk.spool.batch() is first
    assert not desk.spool.empty

    desk.spool.done()

    second = desk.spool.batch()
    assert second is not None
    assert numbers(list(second.notes)) == [2]


def test_reading_flushes_first(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    desk.spool.batch()
    assert lines_on_disk(desk) == 1


def test_the_file_is_emptied_once_all_of_it_is_in_the_database(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    desk.spool.batch()
    desk.spool.append(turn_note("a", 2))
    desk.spool.flush()
    desk.spool.done()
    assert lines_on_disk(desk) == 2  # the second of them is still to be read

    desk.spool.batch()
    desk.spool.done()

    assert desk.bytes_on_disk == 0
    assert desk.spool.empty
    assert desk.spool.settled == desk.spool.newest == 2
    desk.spool.append(turn_note("a", 3))
    assert numbers(desk.take_all()) == [3]


def test_done_without_a_batch_changes_nothing(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    desk.spool.done()
    assert desk.spool.waiting == 1


def test_a_batch_is_bounded_and_the_next_goes_on_where_it_ended(desk: Desk) -> None:
    for number in range(1, 451):
        desk.spool.append(turn_note("a", number))
    sizes, found = [], []
    while (batch := desk.spool.batch()) is not None:
        sizes.append(len(batch.notes))
        found += numbers(list(batch.notes))
        desk.spool.done()
    assert found == list(range(1, 451))
    assert max(sizes) <= 200
    assert len(sizes) >= 3


def test_a_note_longer_than_a_bite_comes_back_whole(desk: Desk) -> None:
    notes = [turn_note("a", n, "x" * size) for n, size in enumerate((10, 900_000, 10), 1)]
    for note in notes:
        desk.spool.append(note)
    assert desk.take_all() == notes


def test_a_new_file_begins_when_one_is_full_and_files_that_were_read_are_deleted(
    tmp_path: Path,
) -> None:
    desk = Desk.open(tmp_path / "spool", segment=4_000)
    for number in range(1, 41):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()
    names = [path.name for path in desk.folder.segments()]
    assert names[0] == "000001.jsonl"
    assert len(names) > 3
    assert all(path.stat().st_size <= 4_000 for path in desk.folder.segments())

    assert numbers(desk.take_all()) == list(range(1, 41))

    assert [path.name for path in desk.folder.segments()] == names[-1:]
    desk.close()
    assert list(desk.spool_dir.iterdir()) == []


def test_many_notes_are_flushed_though_nobody_asks(desk: Desk) -> None:
    for number in range(30):
        desk.spool.append(turn_note("a", number, "x" * 50_000))
    assert lines_on_disk(desk) >= 20


def test_nobody_else_can_read_the_spool(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        desk = Desk.open(tmp_path / "deep" / "spool")
        desk.spool.append(turn_note("a", 1))
        desk.spool.flush()
    finally:
        os.umask(before)
    for path in (desk.spool_dir, *desk.spool_dir.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert len(list(desk.folder.path.iterdir())) == 2
    desk.close()


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────


def test_over_the_limit_the_oldest_go_and_every_one_of_them_is_counted(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", limit=40_000)
    for number in range(1, 301):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()
        assert desk.bytes_on_disk <= 40_000

    found = numbers(desk.take_all())

    assert found == list(range(301 - len(found), 301))
    assert desk.lost == {"spool_full": 300 - len(found)}
    assert desk.bytes_on_disk == 0
    assert desk.spool.settled == 300
    desk.close()


def test_a_batch_on_its_way_into_the_database_is_not_lost_with_its_file(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", limit=40_000)
    desk.spool.append(turn_note("a", 1))
    desk.spool.append(turn_note("a", 2))
    batch = desk.spool.batch()
    for number in range(3, 301):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()

    assert batch is not None
    found = [*numbers(list(batch.notes)), *numbers(desk.take_all()[2:])]

    assert found[:2] == [1, 2]
    assert desk.lost == {"spool_full": 300 - len(found)}
    desk.close()


def test_a_note_larger_than_the_spool_is_lost_alone(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", limit=40_000)
    desk.spool.append(turn_note("a", 1))
    desk.spool.append(turn_note("a", 2, "x" * 50_000))
    desk.spool.append(turn_note("a", 3))
    assert numbers(desk.take_all()) == [1, 3]
    assert desk.lost == {"spool_full": 1}
    desk.close()


def test_a_note_that_fills_the_spool_takes_the_room_of_older_ones(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", limit=40_000)
    for number, size in enumerate((3_000, 38_000, 10), 1):
        desk.spool.append(turn_note("a", number, "x" * size))
        desk.spool.flush()
    assert numbers(desk.take_all()) == [2, 3]
    assert desk.lost == {"spool_full": 1}
    desk.close()


@pytest.mark.parametrize("value", [object(), 1 << 70, "\ud800", {1: 2}, {1, 2}])
def test_what_is_not_plain_is_counted_and_raises_nothing(desk: Desk, value: object) -> None:
    desk.spool.append(Note("turn", head_of("a"), 1, {"value": value}))
    desk.spool.append(turn_note("a", 2))
    assert desk.lost == {"unencodable": 1}
    assert numbers(desk.take_all()) == [2]


def test_what_comes_after_the_end_is_counted(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.close()
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    assert desk.lost == {"closed": 1}
    assert list(desk.spool_dir.iterdir()) == []


def test_what_is_not_in_the_database_at_the_end_stays_for_the_next_start(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.close()
    [left] = Abandoned.found(desk.spool_dir, Losses())
    assert numbers(list(taken(left))) == [1]
    left.release()


def test_losses_are_told_but_not_each_of_them() -> None:
    losses = Losses()
    with capture_logs() as logs:
        for _ in range(1_000):
            losses.add("disk")
        losses.add("torn", 2)
        losses.tell(everything=True)
        losses.tell(everything=True)
    told = [(line["log_level"], line["reason"], line["notes"], line["total"]) for line in logs]
    assert told == [
        ("error", "disk", 1, 1),
        ("error", "torn", 2, 2),
        ("error", "disk", 999, 1_000),
    ]


# ── a disk that takes nothing ────────────────────────────────────────────────────────────────────


def test_what_a_full_disk_refuses_waits_in_memory_and_goes_in_order(desk: Desk) -> None:
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    with full_disk():
        desk.spool.append(turn_note("a", 2))
        assert not desk.spool.flush()
        desk.spool.append(turn_note("a", 3))
        assert not desk.spool.flush()
        assert desk.spool.trouble == os.strerror(27)
    assert lines_on_disk(desk) == 1

    assert desk.spool.flush()

    assert lines_on_disk(desk) == 3
    assert desk.spool.trouble == ""
    assert numbers(desk.take_all()) == [1, 2, 3]
    assert desk.lost == {}


@pytest.mark.parametrize("room", range(0, 2600, 97))
def test_a_torn_line_is_taken_back(tmp_path: Path, room: int) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    for number in range(2, 6):
        desk.spool.append(turn_note("a", number))
    line = desk.bytes_on_disk
    with full_disk(line + room):
        desk.spool.flush()
        [path] = desk.folder.segments()
        assert path.read_bytes().endswith(b"\n")
        assert lines_on_disk(desk) == min(5, 1 + room // line)
    desk.spool.append(turn_note("a", 6))
    desk.spool.flush()

    left = heirs_of(desk)

    assert numbers(list(taken(left))) == [1, 2, 3, 4, 5, 6]
    assert desk.lost == {}
    left.release()


def test_the_database_may_have_what_the_disk_refuses(desk: Desk) -> None:
    with full_disk():
        desk.spool.append(turn_note("a", 1))
        desk.spool.append(turn_note("a", 2))
        batch = desk.spool.batch()
        assert batch is not None
        assert numbers(list(batch.notes)) == [1, 2]
        desk.spool.append(turn_note("a", 3))
        desk.spool.done()
        assert desk.spool.settled == 2
        assert desk.spool.waiting == 1
    assert numbers(desk.take_all()) == [3]


def test_what_cannot_be_read_from_memory_is_counted_and_holds_nothing_up(desk: Desk) -> None:
    with full_disk():
        desk.spool.append(Note("frames", head_of("a"), 1, {"data": "no base64"}))
        desk.spool.append(turn_note("a", 2))
        assert numbers(desk.take_all()) == [2]
    assert desk.lost == {"torn": 1}


def test_a_batch_from_memory_goes_to_the_disk_too_if_that_recovers_first(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    with full_disk():
        desk.spool.append(turn_note("a", 1))
        assert desk.spool.batch() is not None
    desk.spool.append(turn_note("a", 2))
    desk.spool.flush()
    left = heirs_of(desk)
    assert numbers(list(taken(left))) == [1, 2]
    left.release()


def test_memory_is_bounded_and_the_oldest_of_it_are_lost_and_counted(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", held=20_000)
    with full_disk():
        for number in range(1, 201):
            desk.spool.append(turn_note("a", number))
            desk.spool.flush()
        assert desk.spool._held.size <= 20_000
    found = numbers(desk.take_all())
    assert 10 < len(found) < 200
    assert found == list(range(201 - len(found), 201))
    assert desk.lost == {"disk": 200 - len(found)}
    desk.close()


def test_memory_that_is_full_keeps_a_batch_that_is_on_its_way(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", held=20_000)
    with full_disk():
        for number in range(1, 6):
            desk.spool.append(turn_note("a", number))
        assert desk.spool.batch() is not None
        for number in range(6, 201):
            desk.spool.append(turn_note("a", number))
        assert desk.lost["disk"] == 200 - desk.spool.waiting
        desk.spool.done()
    found = numbers(desk.take_all())
    assert found == list(range(201 - len(found), 201))
    assert desk.lost == {"disk": 195 - len(found)}
    desk.close()


def test_what_the_disk_refuses_to_the_end_is_counted(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    with full_disk():
        desk.spool.append(turn_note("a", 1))
        desk.spool.append(turn_note("a", 2))
        desk.close()
    assert desk.lost == {"disk": 2}


def test_without_file_descriptors_notes_wait_in_memory(desk: Desk) -> None:
    with no_descriptors():
        desk.spool.append(turn_note("a", 1))
        assert not desk.spool.flush()
    assert numbers(desk.take_all()) == [1]


def test_a_file_that_cannot_be_cut_is_left_and_another_begun(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    [path] = desk.folder.segments()
    append_only = subprocess.run(["chattr", "+a", path], capture_output=True, check=False)  # noqa: S603, S607
    if append_only.returncode:
        pytest.skip("no file here can be made append-only")
    try:
        desk.spool.append(turn_note("a", 2))
        with full_disk(desk.bytes_on_disk + 100):
            assert not desk.spool.flush()
        desk.spool.append(turn_note("a", 3))
        assert desk.spool.flush()
        assert numbers(desk.take_all()) == [1, 2, 3]
        assert desk.lost == {}
        assert desk.spool.empty
    finally:
        subprocess.run(["chattr", "-a", path], check=True)  # noqa: S603, S607
    left = heirs_of(desk)  # it could not be deleted either, so its notes come once more
    assert numbers(list(taken(left))) == [1]
    left.release()


# ── files that cannot be read ────────────────────────────────────────────────────────────────────


def test_a_torn_last_line_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    for number in (1, 2, 3):
        desk.spool.append(turn_note("a", number))
    desk.spool.flush()
    [path] = desk.folder.segments()
    path.write_bytes(path.read_bytes()[:-20])

    left = heirs_of(desk)

    assert numbers(list(taken(left))) == [1, 2]
    assert desk.lost == {"torn": 1}
    left.release()
    assert list(desk.spool_dir.iterdir()) == []


@pytest.mark.parametrize(
    "rubbish",
    [b"{", b"\0" * 5000, b"[]", b'{"kind":"turn"}', b"", b"\xff\xfe", b"null", b"1" * 300_000],
)
def test_rubbish_between_notes_is_counted_and_skipped(tmp_path: Path, rubbish: bytes) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.append(turn_note("a", 2))
    desk.spool.flush()
    [path] = desk.folder.segments()
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + rubbish + b"\n" + second)

    left = heirs_of(desk)

    assert numbers(list(taken(left))) == [1, 2]
    assert desk.lost == {"torn": 1}
    left.release()


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (b'"kind":"turn"', b'"kind":"nurt"'),
        (b'"seq":1', b'"seq":"1"'),
        (b'"head":{', b'"head":{"more":1,'),
        (b'"row":{', b'"row":[],"wor":{'),
        (b'"id":"a"', b'"id":1'),
        (b'"started_at":1000', b'"started_at":1e3'),
        (b'"kind":"turn"', b'"kind":"frames"'),
    ],
)
def test_what_is_no_note_is_counted(tmp_path: Path, found: bytes, instead: bytes) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    [path] = desk.folder.segments()
    assert found in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(found, instead))

    left = heirs_of(desk)

    assert list(taken(left)) == []
    assert desk.lost == {"torn": 1}
    left.release()


def test_a_file_that_was_deleted_under_us_is_counted_and_the_next_is_read(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", segment=4_000, remembered=0)
    for number in range(1, 21):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()
    first, *_ = desk.folder.segments()
    gone = first.read_bytes().count(b"\n")
    first.unlink()

    found = numbers(desk.take_all())

    assert found == list(range(1 + gone, 21))
    assert desk.lost == {"torn": gone}
    assert desk.spool.empty
    desk.close()


def test_a_file_that_was_cut_under_us_is_counted(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool", remembered=0)
    for number in range(1, 11):
        desk.spool.append(turn_note("a", number))
    desk.spool.flush()
    [path] = desk.folder.segments()
    os.truncate(path, path.stat().st_size // 2)
    found = numbers(desk.take_all())
    assert found == list(range(1, 1 + len(found)))
    assert desk.lost == {"torn": 10 - len(found)}
    assert desk.spool.empty
    desk.spool.append(turn_note("a", 11))
    assert numbers(desk.take_all()) == [11]
    desk.close()


def test_a_shortage_is_no_reason_to_give_up_a_file(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "spool")
    desk.spool.append(turn_note("a", 1))
    desk.spool.flush()
    left = heirs_of(desk)
    with no_descriptors():
        for _ in range(30):
            with pytest.raises(OSError, match="Too many open files"):
                left.batch()
    assert numbers(list(taken(left))) == [1]
    assert desk.lost == {}
    left.release()


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_turn_costs_less_than_a_fifth_of_a_millisecond(desk: Desk) -> None:
    frames = Note("frames", head_of("a"), 9, {"data": os.urandom(4_500)})
    turn = [turn_note("a", 1, "word " * 100), frames, *(turn_note("a", n) for n in range(2, 6))]
    times = []
    for _ in range(300):
        began = time.perf_counter()
        for note in turn:
            desk.spool.append(note)
        desk.spool.flush()
        times.append(time.perf_counter() - began)
    assert sorted(times)[150] < 0.0002
