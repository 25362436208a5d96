"""The task that empties the spool: every note goes into the database, or is counted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.errors import SettingsError
from bridge.store.errors import DatabaseAway, NotesRefused
from bridge.store.notes.note import Note
from bridge.store.setup import RecordSetup
from bridge.store.spool.lines import decode
from bridge.store.spool.refused import Refused
from bridge.store.writing.ports import Tables
from bridge.store.writing.writer import Writer
from tests.store.spooling import Desk, MemoryTables, end_note, full_disk, turn_note, until


class Office:
    """A writer with its spool and its database."""

    def __init__(self, desk: Desk, database: MemoryTables, *, retention_days: int = 0) -> None:
        setup = RecordSetup("", "full", desk.spool_dir, 1 << 26, retention_days)
        self.desk = desk
        self.database = database
        self.ended: list[str] = []
        self.waiting_when_ended: list[int] = []
        self.over = asyncio.Event()
        self.raises: type[Exception] | None = None
        replica = desk.folder.replica
        tables: Tables = database
        self.writer = Writer(setup, replica, desk.spool, tables, desk.losses, self.take_ended)

    def take_ended(self, calls: list[str]) -> None:
        self.ended += calls
        self.waiting_when_ended.append(self.desk.spool.waiting)
        self.over.set()
        if self.raises is not None:
            raise self.raises

    def keep(self, *notes: Note) -> None:
        for note in notes:
            self.desk.spool.append(note)
        self.writer.wake()

    def numbers(self) -> list[int]:
        return [note.seq for note in self.database.notes]


@asynccontextmanager
async def at_work(
    tmp_path: Path, database: MemoryTables, *, patience: float = 2.0, retention_days: int = 0
) -> AsyncIterator[Office]:
    desk = Desk.open(tmp_path / "spool")
    office = Office(desk, database, retention_days=retention_days)
    office.writer.start()
    try:
        yield office
    finally:
        await office.writer.stop(patience)
        desk.close()


async def test_notes_are_gathered_and_saved_together(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(turn_note("a", 1))
        await office.writer.written()
        office.database.asking.clear()
        began = time.monotonic()
        for number in range(2, 7):
            office.keep(turn_note("a", number))
            await asyncio.sleep(0.01)
        await office.database.asking.wait()
        assert time.monotonic() - began >= 0.99
        await office.writer.written()
    assert [len(batch) for batch in office.database.saved] == [1, 5]


async def test_who_waits_for_it_is_not_kept_waiting(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        await office.writer.written()
        began = time.monotonic()
        for number in range(1, 11):
            office.keep(turn_note("a", number))
            await office.writer.written()
            assert len(office.database.notes) == number
        assert time.monotonic() - began < 5, "ten times the second in which notes are gathered"
        assert office.desk.bytes_on_disk == 0


async def test_waiting_covers_what_had_been_noted_and_no_more(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(*(turn_note("a", number) for number in range(1, 1_001)))
        waiting = asyncio.create_task(office.writer.written())
        for number in range(1_001, 1_100):
            await asyncio.sleep(0)
            office.keep(turn_note("a", number))
        await waiting
        assert set(range(1, 1_001)) <= set(office.numbers())


async def test_while_the_database_is_away_notes_wait_and_go_in_once_it_is_back(
    tmp_path: Path,
) -> None:
    away = DatabaseAway("unreachable")
    async with at_work(tmp_path, MemoryTables(away, away, None, None, away, away)) as office:
        office.keep(turn_note("a", 1), turn_note("a", 2))
        await office.writer.written()
        assert office.numbers() == [1, 2]
        assert office.database.asked["open"] == 3
        assert office.database.asked["save"] == 3
        assert office.desk.lost == {}


async def test_pauses_between_tries_grow(tmp_path: Path) -> None:
    database = MemoryTables(*[DatabaseAway()] * 1_000)
    async with at_work(tmp_path, database, patience=0) as office:
        office.keep(turn_note("a", 1))
        await asyncio.sleep(1.0)
        assert 3 <= database.asked["open"] <= 6
        assert office.writer.pulse.trouble == "unreachable"


async def test_the_end_interrupts_a_pause(tmp_path: Path) -> None:
    database = MemoryTables(*[DatabaseAway()] * 5)
    async with at_work(tmp_path, database, patience=5) as office:
        office.keep(turn_note("a", 1))
        await until(lambda: database.asked["open"] == 5)  # the next pause is of 0.8 s at least
        ending = time.monotonic()
    assert time.monotonic() - ending < 0.7
    assert office.numbers() == [1]


async def test_at_the_end_it_is_tried_again_until_patience_is_over(tmp_path: Path) -> None:
    database = MemoryTables(*[DatabaseAway()] * 3)
    async with at_work(tmp_path, database, patience=5) as office:
        office.keep(turn_note("a", 1))
    assert office.numbers() == [1]


async def test_a_writer_with_nothing_to_do_sleeps(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(turn_note("a", 1))
        await office.writer.written()
        await asyncio.sleep(0.25)
        last_round = office.writer._round_over
        await asyncio.sleep(0.5)
        assert office.writer._round_over is last_round


async def test_what_a_stopping_writer_cannot_save_stays_in_the_spool(tmp_path: Path) -> None:
    database = MemoryTables(*[DatabaseAway()] * 1_000)
    async with at_work(tmp_path, database, patience=0.3) as office:
        office.keep(turn_note("a", 1))
        ending = time.monotonic()
    assert 0.2 < time.monotonic() - ending < 5
    assert office.desk.bytes_on_disk > 0
    assert office.desk.lost == {}


async def test_a_database_that_hangs_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with at_work(tmp_path, MemoryTables(None, None, never), patience=0.1) as office:
        office.keep(turn_note("a", 1))
        await until(lambda: office.database.asked["save"])
    assert office.desk.bytes_on_disk > 0


async def test_waiting_ends_when_the_writer_does(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables(*[DatabaseAway()] * 1_000), patience=0) as office:
        office.keep(turn_note("a", 1))
        waiting = asyncio.create_task(office.writer.written())
        await asyncio.sleep(0)
    await waiting


async def test_all_that_waits_is_saved_before_the_end(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(*(turn_note("a", number) for number in range(1, 1_001)))
    assert office.numbers() == list(range(1, 1_001))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_note_that_the_database_refuses_is_set_aside_and_the_others_go_in(
    tmp_path: Path,
) -> None:
    database = MemoryTables()
    database.refuses = lambda note: NotesRefused("DataError") if note.seq in {17, 60} else None
    async with at_work(tmp_path, database) as office:
        office.keep(*(turn_note("a", number) for number in range(1, 101)))
        await office.writer.written()
        assert office.numbers() == [n for n in range(1, 101) if n not in {17, 60}]
        assert office.desk.lost == {"refused": 2}
        assert office.writer.batches.written == 98
        assert not office.writer.pulse.trouble
    aside = (tmp_path / "spool" / "refused.jsonl").read_bytes().splitlines()
    assert [decode(line) for line in aside] == [turn_note("a", 17), turn_note("a", 60)]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["refused.jsonl"]


async def test_what_is_set_aside_is_so_once_though_the_database_goes_away_meanwhile(
    tmp_path: Path,
) -> None:
    away = DatabaseAway()
    database = MemoryTables(None, None, None, None, None, away, None, away, None, away)
    database.refuses = lambda note: NotesRefused("DataError") if note.seq == 1 else None
    async with at_work(tmp_path, database) as office:
        office.keep(*(turn_note("a", number) for number in range(1, 9)))
        await office.writer.written()
        assert database.script == []
        assert office.desk.lost == {"refused": 1}
        assert office.writer.batches.written == 7
        assert office.numbers() == [2, 3, 4, 5, 6, 7, 8]


async def test_a_fault_does_not_end_the_record_and_is_no_loss(tmp_path: Path) -> None:
    fault = KeyError("a fault of ours")
    async with at_work(tmp_path, MemoryTables(fault, None, None, fault, fault)) as office:
        office.keep(turn_note("a", 1))
        await office.writer.written()
        assert office.numbers() == [1]
        assert office.desk.lost == {}
        assert not office.writer.pulse.trouble


async def test_a_fault_shows_until_it_is_over(tmp_path: Path) -> None:
    database = MemoryTables(*[KeyError("a fault of ours")] * 1_000)
    async with at_work(tmp_path, database, patience=0) as office:
        await asyncio.sleep(0.05)
        assert office.writer.pulse.trouble == "a fault of the bridge's: KeyError"
        assert not office.writer.pulse.healthy


async def test_a_note_that_is_a_fault_every_time_is_set_aside(tmp_path: Path) -> None:
    database = MemoryTables()
    database.refuses = lambda note: KeyError("its words") if note.seq == 3 else None
    with capture_logs() as logs:
        async with at_work(tmp_path, database) as office:
            office.keep(*(turn_note("a", number, "her words") for number in range(1, 9)))
            await office.writer.written()
            assert office.numbers() == [1, 2, 4, 5, 6, 7, 8]
            assert office.desk.lost == {"refused": 1}
    told = [line for line in logs if line["log_level"] != "debug"]
    assert {"reason": "refused", "notes": 1}.items() <= next(
        line.items() for line in told if "lost" in line["event"]
    )
    assert [line["kind"] for line in told if "fault" in line["event"]] == ["KeyError"] * 2
    assert "words" not in str(told)


async def test_a_setting_that_is_wrong_is_shown_and_tried_again(tmp_path: Path) -> None:
    wrong = SettingsError("calls.db: made by a newer bridge; upgrade this one")
    database = MemoryTables(wrong)
    async with at_work(tmp_path, database) as office:
        await database.asking.wait()
        await asyncio.sleep(0)
        assert office.writer.pulse.trouble == str(wrong)
        office.keep(turn_note("a", 1))
        await office.writer.written()
        assert office.numbers() == [1]


async def test_notes_of_calls_that_were_erased_are_no_loss(tmp_path: Path) -> None:
    database = MemoryTables()
    database.erased = {"b"}
    async with at_work(tmp_path, database) as office:
        office.keep(turn_note("a", 1), turn_note("b", 2), turn_note("b", 3))
        await office.writer.written()
        assert (office.writer.batches.written, office.writer.batches.erased) == (1, 2)
        assert office.desk.lost == {}


async def test_calls_that_are_over_are_named_before_their_notes_leave_the_spool(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        going = Note("tally", end_note("b", 1).head, 1, {**end_note("b", 1).row, "ended_at": None})
        office.keep(turn_note("a", 1), going, end_note("a", 2), end_note("c", 3))
        await office.writer.written()
        assert office.ended == ["a", "c"]
        assert office.waiting_when_ended == [4]


async def test_who_listens_for_ends_may_fail(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.raises = ZeroDivisionError
        office.keep(end_note("a", 1))
        await office.writer.written()
        office.keep(turn_note("b", 1))
        await office.writer.written()
        assert len(office.database.notes) == 2


async def test_a_full_disk_does_not_keep_notes_from_the_database(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        await office.writer.written()
        with full_disk():
            office.keep(*(turn_note("a", number) for number in range(1, 501)))
            await office.writer.written()
        assert office.numbers() == list(range(1, 501))
        assert office.desk.lost == {}


async def test_a_spool_that_cannot_be_read_now_is_read_later(tmp_path: Path) -> None:
    left = Desk.open(tmp_path / "spool")
    left.spool.append(turn_note("a", 1))
    left.spool.flush()
    async with at_work(tmp_path, MemoryTables()) as office:
        left.die()
        office.writer.adoption.look(0)
        [path] = left.folder.segments()
        hidden = path.rename(path.with_suffix(".hidden"))
        path.mkdir()  # reading it fails, as on a bad disk
        office.writer.hurry()
        await asyncio.sleep(0.05)
        assert office.numbers() == []
        path.rmdir()
        hidden.rename(path)
        office.keep(end_note("b", 1))
        await office.over.wait()
        await until(lambda: not office.writer.adoption)
        assert sorted(office.numbers()) == [1, 1]


async def test_the_process_says_that_it_is_alive_before_it_writes(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(turn_note("a", 1))
        await office.writer.written()
        assert list(office.database.asked) == [
            "open",
            f"seen {office.desk.folder.replica}",
            "save",
        ]


# ── what dead processes left ─────────────────────────────────────────────────────────────────────


def died_with(tmp_path: Path, *notes: Note, segment: int = 4_000_000) -> Desk:
    desk = Desk.open(tmp_path / "spool", segment=segment)
    for note in notes:
        desk.spool.append(note)
        desk.spool.flush()
    desk.die()
    return desk


async def test_the_notes_of_the_dead_are_saved_and_then_their_open_calls_aborted(
    tmp_path: Path,
) -> None:
    dead = died_with(tmp_path, turn_note("a", 1), end_note("b", 2))
    database = MemoryTables()
    database.orphans[dead.folder.replica] = ["a"]
    async with at_work(tmp_path, database) as office:
        while "a" not in office.ended:
            await office.over.wait()
            office.over.clear()
        assert office.numbers() == [1, 2]
        assert office.ended == ["b", "a"]
        await until(lambda: not office.writer.adoption)
        assert not dead.folder.path.exists()
        assert office.desk.folder.path.exists()


async def test_a_start_can_wait_until_all_the_dead_are_taken_over(tmp_path: Path) -> None:
    several = [died_with(tmp_path, turn_note(name, 1)) for name in "abc"]
    async with at_work(tmp_path, MemoryTables()) as office:
        await office.writer.open()
        await office.writer.took_over()
        assert not any(dead.folder.path.exists() for dead in several)
        assert office.database.saved
        await office.writer.took_over()  # there is nothing to wait for


async def test_a_start_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    dead = died_with(tmp_path, turn_note("a", 1))
    away = MemoryTables(None, None, *[DatabaseAway()] * 50)  # opened, and seen
    async with at_work(tmp_path, away, patience=0) as office:
        await office.writer.open()
        await office.writer.took_over()
        assert dead.folder.path.exists()


async def test_a_process_that_dies_before_it_has_marked_them_has_told_of_them(
    tmp_path: Path,
) -> None:
    dead = died_with(tmp_path, turn_note("a", 1))
    frozen = MemoryTables(*[None] * 4, asyncio.Event())  # until it is asked to abort
    frozen.orphans[dead.folder.replica] = ["a"]
    async with at_work(tmp_path, frozen) as office:
        await until(lambda: frozen.asked[f"abort {dead.folder.replica}"])
        assert office.ended == ["a"]
    assert dead.folder.path.exists()

    well = MemoryTables()
    well.orphans = frozen.orphans
    async with at_work(tmp_path, well) as office:
        await until(lambda: not dead.folder.path.exists())
        assert office.ended == ["a"]  # again: it is known by its id
    assert well.orphans == {}


async def test_who_listens_for_aborted_calls_may_fail(tmp_path: Path) -> None:
    dead = died_with(tmp_path, turn_note("a", 1))
    database = MemoryTables()
    database.orphans[dead.folder.replica] = ["a"]
    async with at_work(tmp_path, database) as office:
        office.raises = ZeroDivisionError
        await until(lambda: not dead.folder.path.exists())
        assert office.ended == ["a"]
        assert database.asked[f"abort {dead.folder.replica}"] == 1


async def test_the_living_are_left_alone(tmp_path: Path) -> None:
    other = Desk.open(tmp_path / "spool")
    other.spool.append(turn_note("a", 1))
    other.spool.flush()
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(turn_note("b", 1))
        await office.writer.written()
        assert not office.writer.adoption
        assert [note.head.id for note in office.database.notes] == ["b"]
    assert other.bytes_on_disk > 0
    other.take_all()
    other.close()


async def test_adopting_goes_on_where_the_database_went_away(tmp_path: Path) -> None:
    dead = died_with(tmp_path, *(turn_note("a", n) for n in range(1, 451)))
    away = DatabaseAway()
    database = MemoryTables(None, None, None, away, None, away, None, away, away)
    async with at_work(tmp_path, database) as office:
        await until(lambda: not dead.folder.path.exists())
        assert office.numbers() == list(range(1, 451))
        assert database.script == []


async def test_while_much_is_adopted_our_own_notes_do_not_wait_for_the_end_of_it(
    tmp_path: Path,
) -> None:
    died_with(tmp_path, *(turn_note("a", n) for n in range(1, 2_001)))
    async with at_work(tmp_path, MemoryTables()) as office:
        await until(lambda: office.database.saved)
        office.keep(turn_note("b", 1))
        await office.writer.written()
        assert "b" in {note.head.id for note in office.database.notes}
        assert office.writer.adoption


async def test_a_writer_that_stops_leaves_the_rest_to_be_adopted_again(tmp_path: Path) -> None:
    died_with(tmp_path, *(turn_note("a", n) for n in range(1, 1_001)))
    first = MemoryTables()
    async with at_work(tmp_path, first):
        await until(lambda: first.saved)
    assert 0 < len(first.notes) < 1_000
    second = MemoryTables()
    async with at_work(tmp_path, second) as office:
        await until(
            lambda: len(office.numbers()) + len(first.notes) >= 1_000 and not office.writer.adoption
        )
    assert {note.seq for note in (*first.notes, *second.notes)} == set(range(1, 1_001))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_of_many_dead_processes_some_are_taken_at_a_time(tmp_path: Path) -> None:
    for number in range(40):
        died_with(tmp_path, turn_note("a", number))
    answer = asyncio.Event()
    async with at_work(tmp_path, MemoryTables(answer)) as office:
        await office.database.asking.wait()
        office.writer.adoption.look(0)
        held = len(office.writer.adoption._left)
        answer.set()
        await until(lambda: len(list((tmp_path / "spool").iterdir())) == 1)
        assert sorted(office.numbers()) == list(range(40))
    assert held == 16


async def test_what_the_dead_left_counts_towards_the_limit(tmp_path: Path) -> None:
    died_with(tmp_path, *(turn_note("a", n) for n in range(1, 101)), segment=2_000)
    never = asyncio.Event()
    async with at_work(tmp_path, MemoryTables(never), patience=0) as office:
        await office.database.asking.wait()
        size = office.writer.adoption.size
        office.writer.adoption._limit = size // 2 + 100
        office.writer.adoption.look(100)
        assert 0 < office.writer.adoption.size <= size // 2
        assert 45 <= office.desk.lost["spool_full"] <= 60


# ── retention ────────────────────────────────────────────────────────────────────────────────────


async def test_old_calls_are_swept_at_the_start_and_refused_notes_with_them(tmp_path: Path) -> None:
    database = MemoryTables()
    database.refuses = lambda _: NotesRefused("DataError")
    old, young = turn_note("a", 1), turn_note("b", 2)
    young = Note("turn", type(young.head)("b", "", "", 1 << 42, "r", "full"), 2, young.row)
    async with at_work(tmp_path, database) as office:
        office.keep(old, young)
    aside = tmp_path / "spool" / "refused.jsonl"
    assert len(aside.read_bytes().splitlines()) == 2

    days, now = 30, time.time()
    async with at_work(tmp_path, database, retention_days=days):
        await until(lambda: database.swept_before)

    [before] = database.swept_before
    assert abs(before / 1000 - (now - days * 86_400)) < 10
    assert [decode(line).head.id for line in aside.read_bytes().splitlines()] == ["b"]


async def test_without_retention_nothing_is_swept(tmp_path: Path) -> None:
    async with at_work(tmp_path, MemoryTables()) as office:
        office.keep(turn_note("a", 1))
        await office.writer.written()
        assert office.database.swept_before == []


async def test_a_long_sweep_does_not_hold_up_the_record(tmp_path: Path) -> None:
    class LongSweep(MemoryTables):
        async def sweep(self, before_ms: int) -> int:
            self.swept_before.append(before_ms)
            return await asyncio.Event().wait()

    async with at_work(tmp_path, LongSweep(), retention_days=1) as office:
        await until(lambda: office.database.swept_before)
        office.keep(turn_note("a", 1))
        await office.writer.written()
        assert office.numbers() == [1]


@pytest.mark.parametrize("error", [DatabaseAway(), SettingsError("wrong"), KeyError("ours")])
async def test_a_sweep_that_fails_is_told_and_does_not_end_the_record(
    tmp_path: Path, error: Exception
) -> None:
    class NoSweep(MemoryTables):
        async def sweep(self, before_ms: int) -> int:
            self.swept_before.append(before_ms)
            raise error

    with capture_logs() as logs:
        async with at_work(tmp_path, NoSweep(), retention_days=1) as office:
            await until(lambda: office.database.swept_before)
            office.keep(turn_note("a", 1))
            await office.writer.written()
            assert office.numbers() == [1]
    assert [line["event"] for line in logs if "not swept" in line["event"]]


async def test_health_is_lost_while_an_answer_is_overdue_and_comes_back_with_it(
    tmp_path: Path,
) -> None:
    answer = asyncio.Event()
    async with at_work(tmp_path, MemoryTables(None, None, answer)) as office:

        def health() -> tuple[bool, str]:
            return office.writer.pulse.healthy, office.writer.pulse.trouble

        assert health() == (False, "it is not open yet")
        await until(lambda: office.database.asked["open"])
        await until(lambda: not office.writer.pulse.trouble)
        office.keep(turn_note("a", 1))
        office.writer.hurry()
        await until(lambda: office.database.asked["save"])
        assert health() == (True, "")
        await asyncio.sleep(0.11)
        assert health() == (False, "")
        await asyncio.sleep(0.95)
        assert health() == (False, "it does not answer")
        answer.set()
        await office.writer.written()
        assert health() == (True, "")


def test_the_file_of_refused_notes_is_bounded_and_private(tmp_path: Path) -> None:
    refused = Refused(tmp_path, 2_000)
    for number in range(100):
        refused.add(turn_note("a", number))
    path = tmp_path / "refused.jsonl"
    assert 1_000 < path.stat().st_size <= 2_000
    assert path.stat().st_mode & 0o777 == 0o600
    refused.sweep(0)
    assert path.stat().st_size > 1_000
    refused.sweep(1 << 42)
    assert path.stat().st_size == 0
    path.unlink()
    refused.sweep(0)
    assert list(tmp_path.iterdir()) == []
