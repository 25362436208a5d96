"""Each process has a folder of its own in the spool, and finds those of the dead."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.store.losses import Losses
from bridge.store.spool.abandoned import Abandoned
from bridge.store.spool.folders import Folder, abandoned
from tests.store.spooling import Desk, taken, turn_note

HOLDER = """
import sys
from pathlib import Path
from bridge.store.spool.folders import Folder
folder = Folder.claim(Path(sys.argv[1]))
print(folder.replica, flush=True)
sys.stdin.read()
"""


def test_every_process_has_a_folder_with_a_name_of_its_own(tmp_path: Path) -> None:
    folders = [Folder.claim(tmp_path / "spool") for _ in range(20)]
    names = {folder.replica for folder in folders}
    assert len(names) == 20
    assert all(f"-{os.getpid()}-" in name for name in names)
    for folder in folders:
        folder.release()
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_folder_of_a_living_process_is_not_touched(tmp_path: Path) -> None:
    holder = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        name = holder.stdout.readline().strip()
        try:
            assert list(abandoned(tmp_path)) == []
            assert (tmp_path / name / "lock").exists()
        finally:
            holder.kill()
    [folder] = abandoned(tmp_path)
    assert folder.replica == name
    folder.release()
    assert list(tmp_path.iterdir()) == []


def test_our_own_folder_is_not_abandoned(tmp_path: Path) -> None:
    folder = Folder.claim(tmp_path)
    assert list(abandoned(tmp_path)) == []
    folder.release()


def test_a_folder_is_adopted_by_one_only(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path)
    desk.die()
    [first] = abandoned(tmp_path)
    assert list(abandoned(tmp_path)) == []
    first.release()


def test_a_folder_with_notes_in_it_is_kept(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path)
    desk.spool.append(turn_note("a", 1))
    desk.close()
    assert [path.name for path in desk.folder.path.iterdir()] != []
    [left] = Abandoned.found(tmp_path, Losses())
    assert left.replica == desk.folder.replica
    assert left.size > 0
    assert len(list(taken(left))) == 1
    assert left.size == 0
    left.release()


def test_a_folder_that_its_owner_is_just_removing_is_not_ours(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    fd = os.open(lock, os.O_CREAT | os.O_RDWR)
    lock.unlink()
    folder = tmp_path / "spool" / "here-1-00"
    folder.mkdir(parents=True)
    (folder / "lock").symlink_to(f"/proc/self/fd/{fd}")  # it was there when we looked, but no more
    assert list(abandoned(tmp_path / "spool")) == []
    os.close(fd)


@pytest.mark.parametrize(("age", "there"), [(10, True), (4_000, False)])
def test_an_empty_folder_is_removed_when_nobody_can_be_about_to_lock_it(
    tmp_path: Path, age: int, *, there: bool
) -> None:
    folder = tmp_path / "here-1-00"
    folder.mkdir()
    then = time.time() - age
    os.utime(folder, (then, then))
    assert list(abandoned(tmp_path)) == []
    assert folder.exists() == there


def test_what_is_no_folder_of_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "refused.jsonl").write_text("{}\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    os.utime(tmp_path / "notes", (0, 0))
    assert list(abandoned(tmp_path)) == []
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"


def test_the_files_of_a_dead_process_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path, segment=1)
    for number in range(1, 13):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()
    for path in desk.folder.segments():
        path.rename(path.with_stem(path.stem.lstrip("0")))  # 10 comes before 2, as text
    desk.die()
    (desk.folder.path / "stray.jsonl").write_text("not a segment\n")
    [left] = Abandoned.found(tmp_path, desk.losses)
    assert [note.seq for note in taken(left)] == list(range(1, 13))
    assert desk.lost == {}
    left.release()


def test_what_dead_processes_left_can_be_dropped_if_it_is_too_much(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path, segment=2_000)
    for number in range(1, 13):
        desk.spool.append(turn_note("a", number))
        desk.spool.flush()
    desk.die()
    [left] = Abandoned.found(tmp_path, desk.losses)
    batch = left.batch()
    assert batch is not None
    lost = left.drop_oldest() + left.drop_oldest()
    left.done()
    found = [note.seq for note in (*batch.notes, *taken(left))]
    assert lost == 12 - len(found)
    assert found[-1] == 12
    assert left.drop_oldest() == 0
    left.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/spool", "/proc/spool", "file"])
def test_a_spool_folder_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"spool folder .*BRIDGE_SPOOL_DIR") as told:
        Folder.claim(tmp_path / place)
    assert str(tmp_path / place) in str(told.value)
    assert "\n" not in str(told.value)
