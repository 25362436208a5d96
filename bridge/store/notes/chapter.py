"""One call in the record while it goes on: what is told of it becomes notes."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bridge.call.events import (
    CallBegan,
    CallData,
    CallEnded,
    CallEvent,
    ModelAnswered,
    Remembered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.store.notes.framelog import FrameLog
from bridge.store.notes.note import Head, Kind, Note
from bridge.store.notes.plain import (
    count_or_none,
    milliseconds,
    name_in,
    plain_object,
    text,
    text_or_none,
)
from bridge.store.notes.tally import Tally
from bridge.store.notes.toolrow import ToolRow
from bridge.store.notes.turnrow import TurnRow

_TOLD: Final = ("persona", "caller", "called", "user_id", "call_sid", "metadata", "continues")
"""Columns that are empty until Millis has told who calls."""
_NEWEST: Final = 2
"""Turns of which Millis may still tell how much was heard."""


class Chapter:
    """Makes notes of one call. In memory is only what may still change.

    Notes are flushed before the caller hears the last of a turn, and before a tool does anything:
    the process may die. The others may wait a moment. `now` is always the time on one clock, of
    which only differences are used.
    """

    def __init__(
        self,
        keep: Callable[[Note], None],
        flush: Callable[[], None],
        now: float,
        *,
        replica: str,
        level: str,
    ) -> None:
        started_at = round(time.time() * 1000)
        self.frames = FrameLog(now, self._keep_frames) if level == "full" else None
        self._keep_note = keep
        self._flush = flush
        self._start = now
        self._words = level != "metadata"
        self._head = Head(uuid.uuid4().hex, "", "", started_at, replica, level)
        self._seq = 0
        self._call: dict[str, Any] = {**dict.fromkeys(_TOLD), "session_id": "", "agent_id": ""}
        self._tally = Tally()
        self._turns: dict[int, TurnRow] = {}
        self._tools: dict[str, ToolRow] = {}

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._tally.ending is not None

    def next(self, now: float) -> "Chapter":
        """Another call, on the same connection."""
        head = self._head
        return Chapter(self._keep_note, self._flush, now, replica=head.replica, level=head.level)

    def take(self, call: CallData, event: CallEvent, now: float) -> None:
        """Make notes of an event."""
        match event:
            case CallBegan():
                self._begin(call)
            case Remembered(session_id=session_id):
                self._call["continues"] = text(session_id)
                self._keep("call", self._call.copy())
            case CallEnded(ending=ending):
                self._end(ending, now)
            case TurnEnded():
                self._end_turn(event, now, certain=True)
            case TurnBegan() | TurnHeard() | ModelAnswered():
                self._take_of_turn(event, now)
            case ToolBegun():
                self._begin_tool(event, now)
            case ToolFinished():
                self._end_tool(event, now)

    def secure(self, event: TurnEnded, now: float) -> None:
        """Make notes of a turn that is about to end."""
        self._end_turn(event, now, certain=False)
        self._flush()

    # ── the call ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self, call: CallData) -> None:
        self._head = replace(
            self._head, session_id=text(call.session_id), agent_id=text(call.agent_id)
        )
        self._call |= {
            "session_id": self._head.session_id,
            "agent_id": self._head.agent_id,
            "persona": text(call.persona),
            "caller": text_or_none(call.caller),
            "called": text_or_none(call.called),
            "user_id": name_in(call.metadata, "user_id"),
            "call_sid": text_or_none(call.call_sid),
            "metadata": plain_object(call.metadata),
        }
        self._keep("call", self._call.copy())

    def _end(self, ending: str, now: float) -> None:
        if self.ended:
            return
        if self.frames is not None:
            self.frames.write()
        self._tally.ended_at = self._head.started_at + milliseconds(now - self._start)
        self._tally.ending = ending
        self._keep_tally()
        self.frames = None  # it knows this chapter: only the garbage collector would find both

    # ── turns ────────────────────────────────────────────────────────────────────────────────────

    def _take_of_turn(self, event: TurnBegan | TurnHeard | ModelAnswered, now: float) -> None:
        turn = self._turns.get(event.turn)
        match event:
            case TurnBegan():
                self._turns[event.turn] = TurnRow(event, now)
                self._forget_turns()
            case ModelAnswered():
                self._tally.tokens_in += count_or_none(event.tokens_in) or 0
                self._tally.tokens_out += count_or_none(event.tokens_out) or 0
                if turn is not None:
                    turn.answer(event)
                    self._keep_turn(turn)
            case TurnHeard():
                if turn is not None and turn.heard != event:
                    turn.heard = event
                    self._keep_heard(turn)

    def _end_turn(self, event: TurnEnded, now: float, *, certain: bool) -> None:
        turn = self._turns.get(event.turn)
        if turn is None:  # nobody told of its beginning
            turn = TurnRow(TurnBegan(event.stream_id, event.turn), now - (event.last_frame or 0.0))
            self._turns[event.turn] = turn
        new = turn.end is None
        if turn.finish(event, now):
            if self.frames is not None:
                self.frames.write()
            self._keep_turn(turn, new=new)
        turn.over = certain
        self._forget_turns()

    def _keep_turn(self, turn: TurnRow, *, new: bool = False) -> None:
        """Keep the row of a turn, once it has ended, and what changes with it."""
        if turn.end is not None:
            self._keep("turn", turn.row(self._start, words=self._words))
            self._count(turn, new=new)

    def _keep_heard(self, turn: TurnRow) -> None:
        """Keep what was heard of a turn; until it has ended, that is kept with its row."""
        if turn.end is not None:
            self._keep("heard", turn.heard_row(words=self._words))
            self._count(turn, new=False)

    def _count(self, turn: TurnRow, *, new: bool) -> None:
        if self._tally.count(turn, new=new):
            self._keep_tally()

    def _forget_turns(self) -> None:
        """Forget the turns that nothing more is told of."""
        for number in list(self._turns)[:-_NEWEST]:
            if self._turns[number].over:
                del self._turns[number]

    # ── tools ────────────────────────────────────────────────────────────────────────────────────

    def _begin_tool(self, event: ToolBegun, now: float) -> None:
        at_ms = milliseconds(now - self._start)
        tool = ToolRow.begun(event, at_ms, words=self._words)
        self._tools[event.id] = tool
        self._tally.tools += 1
        self._keep("tool", tool.columns)
        self._flush()
        if (turn := self._turns.get(event.turn)) is not None:
            turn.tool_begins(now)

    def _end_tool(self, event: ToolFinished, now: float) -> None:
        tool = self._tools.pop(event.id, None)
        if tool is None:
            return
        self._keep("tool", tool.finished(event, words=self._words))
        if (turn := self._turns.get(tool.turn)) is not None:
            turn.tool_ends(now)

    # ── notes ────────────────────────────────────────────────────────────────────────────────────

    def _keep_tally(self) -> None:
        if self.frames is not None and self.frames.lost:
            self._tally.frames_lost = self.frames.lost
        self._keep("tally", self._tally.row())

    def _keep_frames(self, data: bytes) -> None:
        self._keep("frames", {"data": data})

    def _keep(self, kind: Kind, row: dict[str, Any]) -> None:
        self._seq += 1
        self._keep_note(Note(kind, self._head, self._seq, row))
