"""What a crash left on the disk: `bridge/store/spool`."""

from bridge.store.losses import Losses
from bridge.store.notes.note import Note
from bridge.store.spool.lines import encode, notes_in
from bridge.store.spool.segments import Segment, Segments
from tests.fuzz.target import Target, encoded, folder
from tests.store.spooling import end_note, turn_note

WHOLE = tuple(
    encode(note) for note in (turn_note("a", 1), turn_note("a", 2, "Ünï 👋"), end_note("a", 3))
)
HEAD = WHOLE[0][: WHOLE[0].index(b'"seq"')]
WRONG = (HEAD + b'"seq":1,"row":[]}', HEAD + b'"seq":null,"row":{}}', b'{"head":5,"row":{}}', b"7")


def check(data: bytes) -> None:
    """Of a file of any bytes every note comes out, all else is counted, and it is done with.

    The check puts a whole note behind them, which must not be lost.
    """
    with folder() as place:
        file = place / "000001.jsonl"
        file.write_bytes(data + b"\n" + WHOLE[0])
        by_itself = list(notes_in(file))
        losses = Losses()
        segments = Segments(losses, [Segment(file, file.stat().st_size)])
        taken: list[Note] = []
        while (batch := segments.batch()) is not None:
            taken += batch.notes
            segments.done(batch)
        assert taken == by_itself
        assert taken[-1].seq == 1
        assert not file.exists()
    lines = (data + b"\n" + WHOLE[0]).count(b"\n")
    assert len(taken) + sum(losses.counts.values()) == lines
    for note in taken:
        assert isinstance(note.row, dict)
        encode(note)


TARGET = Target(
    "spool",
    check,
    (b"".join(WHOLE), *WHOLE, b"\0" * 4096, WHOLE[2][:-40] + WHOLE[1], *WRONG),
    encoded([*'{}[]":,\n\0', '"head":', '"kind":', '"seq":', '"row":', "frames", "turn", "tally"])
    + encoded(["null", "1e400", "-1", "9223372036854775808", "\\ud800", '"data":"AAAA"', '"id":']),
)
