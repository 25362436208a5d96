"""Whatever happens to the spool, and in whatever order: nothing that was flushed is lost."""

import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.store.notes.note import Note
from bridge.store.spool.abandoned import Abandoned
from tests.store.spooling import Desk, full_disk, taken, turn_note

DEEDS = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 2), st.sampled_from((0, 10, 300, 3_000))),
    st.tuples(st.just("flush")),
    st.tuples(st.just("flush on a full disk"), st.integers(0, 4_000)),
    st.tuples(st.just("batch")),
    st.tuples(st.just("batch on a full disk"), st.integers(0, 4_000)),
    st.tuples(st.just("done")),
    st.tuples(st.just("close and start again")),
    st.tuples(st.just("die and start again")),
)
REMEMBERED = st.sampled_from((0, 1_000, 4_000, 100_000))
"""Bytes of notes that need not be read again."""


class History:
    """A spool, all that was done with it, and all that came out of it."""

    def __init__(self, spool_dir: Path, remembered: int) -> None:
        self._spool_dir = spool_dir
        self._sizes = {"segment": 2_500, "remembered": remembered}
        self.desk = Desk.open(spool_dir, **self._sizes)
        self.made = 0
        self.on_disk: set[int] = set()
        """Notes that must come out, whatever happens."""
        self.may_be_gone: set[int] = set()
        """Notes that were in memory when the process died."""
        self.arrived: list[Note] = []
        self._held: list[Note] = []

    def append(self, call: int, size: int) -> None:
        self.made += 1
        note = turn_note(f"call {call}", self.made, "x" * size)
        self.desk.spool.append(note)

    def flush(self) -> None:
        if self.desk.spool.flush():
            self._all_is_on_disk()

    def flush_on_a_full_disk(self, room: int) -> None:
        with full_disk(room):
            self.flush()

    def batch(self) -> None:
        batch = self.desk.spool.batch()
        self._held = list(batch.notes) if batch is not None else []

    def batch_on_a_full_disk(self, room: int) -> None:
        with full_disk(room):
            self.batch()

    def done(self) -> None:
        self.arrived += self._held
        self._held = []
        self.desk.spool.done()

    def close_and_start_again(self) -> None:
        self.desk.close()
        self._all_is_on_disk()
        self._start_again()

    def die_and_start_again(self) -> None:
        self.may_be_gone.update(set(range(1, self.made + 1)) - self.on_disk)
        self.desk.die()
        self._start_again()

    def _all_is_on_disk(self) -> None:
        self.on_disk |= set(range(1, self.made + 1)) - self.may_be_gone

    def _start_again(self) -> None:
        self._held = []
        for left in Abandoned.found(self._spool_dir, self.desk.losses):
            self.arrived += taken(left)
            left.release()
        lost = self.desk.lost
        assert lost == {}, lost
        self.desk = Desk.open(self._spool_dir, **self._sizes)

    def finish(self) -> None:
        self.done()
        self.arrived += self.desk.take_all()
        assert self.desk.spool.empty
        assert self.desk.spool.waiting == 0
        assert self.desk.spool.settled == self.desk.spool.newest
        assert self.desk.bytes_on_disk == 0
        assert self.desk.lost == {}
        self.desk.close()
        assert list(self._spool_dir.iterdir()) == []


@settings(max_examples=300, deadline=None)
@given(st.lists(DEEDS, max_size=40), REMEMBERED)
def test_every_note_arrives_at_least_once_and_those_of_a_call_in_order(
    deeds: list[tuple[str, ...]], remembered: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder), remembered)
        for name, *values in deeds:
            getattr(history, name.replace(" ", "_"))(*values)
            assert history.desk.spool.waiting <= history.made
        history.finish()

    numbers = [note.seq for note in history.arrived]
    assert set(range(1, history.made + 1)) - set(numbers) <= history.may_be_gone
    by_call: defaultdict[str, list[int]] = defaultdict(list)
    for note in history.arrived:
        if note.seq not in by_call[note.head.id]:  # the first time that it came
            by_call[note.head.id].append(note.seq)
    assert all(seqs == sorted(seqs) for seqs in by_call.values())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((0, 300, 3_000, 9_000)), st.booleans()), max_size=60),
    st.integers(9_500, 30_000),
    REMEMBERED,
)
def test_beyond_its_bounds_every_note_has_arrived_or_is_counted(
    notes: list[tuple[int, bool]], limit: int, remembered: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"segment": 2_500, "held": 12_000, "remembered": remembered}
        desk = Desk.open(Path(folder), limit, **sizes)
        arrived: list[int] = []
        held: list[int] = []
        for number, (size, odd) in enumerate(notes, 1):
            desk.spool.append(turn_note("a", number, "x" * size))
            if odd and size == 300:
                with full_disk():
                    desk.spool.flush()
            elif odd:
                desk.spool.flush()
            if odd and size == 3_000:
                batch = desk.spool.batch()
                held = [note.seq for note in batch.notes] if batch is not None else []
            if odd and not size:
                desk.spool.done()
                arrived += held
                held = []
            assert desk.bytes_on_disk <= limit
        desk.spool.done()
        arrived += held + [note.seq for note in desk.take_all()]
        desk.close()

    assert len(set(arrived)) + sum(desk.lost.values()) == len(notes)
