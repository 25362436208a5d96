"""What a record keeps, in memory; and the clock by which it does."""

from dataclasses import dataclass, field
from typing import Any

from bridge.call.events import CallBegan, CallData, TurnBegan, TurnEnded, TurnOutcome
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.frames import unpack, whole
from bridge.store.notes.note import Note
from bridge.store.shapes import Frame
from bridge.store.spool.lines import decode, encode

CALL = CallData(
    session_id="s1",
    agent_id="a1",
    call_sid="CA1",
    caller="+1555",
    called="+1556",
    metadata={"user_id": "u1", "plan": "gold"},
)
TALLY: dict[str, Any] = {
    "ended_at": None,
    "ending": None,
    "turns": 0,
    "interrupted": 0,
    "failed": 0,
    "tools": 0,
    "slowest_ms": 0,
    "tokens_in": 0,
    "tokens_out": 0,
    "frames_lost": None,
}
_KEYS = {"call": (), "tally": (), "turn": ("number",), "tool": ("id",), "frames": ("seq",)}


@dataclass
class Kept:
    """The notes that were kept, and those of them that survive the process."""

    notes: list[Note] = field(default_factory=list)
    flushed: int = 0
    """Notes that are on the disk."""
    now: float = 1000.0

    def record(self, level: str = "full") -> CallRecord:
        return CallRecord(
            self._keep, self._flush, replica="here-1-00", level=level, clock=lambda: self.now
        )

    def begun(self, level: str = "full", call: CallData = CALL) -> CallRecord:
        record = self.record(level)
        record.note(call, CallBegan())
        return record

    def turn(
        self,
        record: CallRecord,
        number: int,
        said: str = "Hi.",
        *,
        outcome: TurnOutcome = "complete",
        seconds: float = 1.0,
    ) -> TurnEnded:
        """Have a turn begin and end."""
        record.note(CALL, TurnBegan(number, number, "Hello?", number))
        self.now += seconds
        ended = TurnEnded(number, number, outcome, said, 0.5, 0.25, seconds)
        if outcome == "complete":
            record.secure(CALL, ended)
        record.note(CALL, ended)
        return ended

    def _keep(self, note: Note) -> None:
        self.notes.append(decode(encode(note)))  # as it goes through the spool

    def _flush(self) -> None:
        self.flushed = len(self.notes)

    @property
    def safe(self) -> bool:
        """Whether all would survive if the process died now."""
        return self.flushed == len(self.notes)

    @property
    def calls(self) -> list[str]:
        """Ids of the calls, in their order."""
        return list(dict.fromkeys(note.head.id for note in self.notes))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All rows of a kind that were kept, in their order."""
        return [note.row for note in self.notes if note.kind == kind]

    def table(self, kind: str, call: str | None = None) -> list[dict[str, Any]]:
        """The newest rows of each key: what the database has in the end."""
        rows: dict[Any, dict[str, Any]] = {}
        for note in self.notes:
            if note.kind == kind and call in (None, note.head.id):
                names = _KEYS[kind]
                rows[note.head.id, *(note.row.get(name, note.seq) for name in names)] = note.row
            elif (note.kind, kind) == ("heard", "turn") and call in (None, note.head.id):
                rows[note.head.id, note.row["number"]] |= note.row
        return list(rows.values())

    def row(self, kind: str) -> dict[str, Any]:
        """The only row of a kind."""
        (row,) = self.table(kind)
        return row

    def frames(self, call: str | None = None) -> list[Frame]:
        """All frames of a call, with whole transcripts."""
        rows = self.table("frames", call)
        return whole(frame for row in rows for frame in unpack(row["data"]))
