"""Where a call left off whose socket was lost on another process, read from the record."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.call.events import CallData
from bridge.call.ledger import Entry, ToolOutcome, ToolUse, beginning, plain
from bridge.store.database.tables import calls, replicas, tool_runs, turns

UNKNOWN: Final = 1 << 64
"""Digest of a conversation that nobody remembers; no hash is as large."""
LOST: Final = "The line was lost while this ran. It may or may not have been done."
NOT_KEPT: Final = "This was done; its result was not kept."

_MOST_CONNECTIONS: Final = 10
_MOST_ROWS: Final = 300
"""Turns, and tools: a call that has more has told its oldest ones long ago."""


async def left_off(
    call: CallData, replica: str, within: float, database: AsyncConnection
) -> list[Entry]:
    """The turns of this call that are on record of others than `replica`, oldest first.

    Only if the newest of its connections was alive not more than `within` seconds ago.
    """
    asked = (
        select(calls.c.id, calls.c.started_at, calls.c.ended_at, calls.c.replica)
        .where(
            calls.c.session_id == call.session_id,
            calls.c.agent_id == call.agent_id,
            calls.c.replica != replica,
        )
        .order_by(calls.c.started_at.desc(), calls.c.id.desc())
        .limit(_MOST_CONNECTIONS)
    )
    connections = (await database.execute(asked)).all()
    if not connections:  # as almost always
        return []
    began = {connection.id: connection.started_at for connection in connections}
    said = await _rows(database, turns, turns.c.number, began)
    if await _last_moment(database, connections[0], said) < (time.time() - within) * 1000:
        return []
    return _entries(said, await _rows(database, tool_runs, tool_runs.c.turn, began), began)


async def _rows(
    database: AsyncConnection, table: Any, number: Any, began: dict[str, int]
) -> list[Row[Any]]:
    """The newest rows of these connections, oldest first."""
    at = calls.c.started_at + table.c.at_ms
    query = (
        select(table, at.label("at"))
        .join(calls, calls.c.id == table.c.call_id)
        .where(table.c.call_id.in_(began))
        .order_by(at.desc(), number.desc())
        .limit(_MOST_ROWS)
    )
    return list((await database.execute(query)).all())[::-1]


async def _last_moment(database: AsyncConnection, newest: Any, said: Sequence[Row[Any]]) -> float:
    """When a connection was last known to be alive, in milliseconds since 1970."""
    if newest.ended_at is not None:
        return float(newest.ended_at)
    asked = select(replicas.c.seen_at).where(replicas.c.name == newest.replica)
    seen = (await database.execute(asked)).scalar()
    ends = (_end(turn) for turn in said if turn.call_id == newest.id)
    return float(max(newest.started_at, seen or 0, *ends))


# ── from rows to the ledger ──────────────────────────────────────────────────────────────────────


def _entries(
    said: Sequence[Row[Any]], done: Sequence[Row[Any]], began: dict[str, int]
) -> list[Entry]:
    runs: defaultdict[tuple[str, int], list[Row[Any]]] = defaultdict(list)
    for run in done:
        runs[run.call_id, run.turn].append(run)
    story = _Story()
    for turn in said:
        story.tell(turn, runs.pop((turn.call_id, turn.number), []))
    since = said[0].at if said else 0
    for rest in runs.values():  # of turns that had not ended when the line was lost
        if rest[0].at >= since:
            story.break_off(rest)
    return story.entries


class _Story:
    """Gathers turns in their order, and what the caller knows of what was done."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._untold: list[tuple[int, ToolUse]] = []
        """Uses whose outcome the caller does not know, with when they ended."""

    def tell(self, turn: Row[Any], runs: Iterable[Row[Any]]) -> None:
        """Add a turn that had ended."""
        entry = Entry(int(turn.stream_id), turn.number, (), over=True)
        entry.asked = beginning(plain(turn.asked or ""))
        entry.place = turn.place
        entry.digest = UNKNOWN if turn.place >= 0 else None
        entry.said = turn.said or ""
        entry.failed = turn.outcome == "failed"
        cut = turn.outcome in {"interrupted", "superseded", "hung_up"}
        entry.whole = not cut
        entry.cut = cut or turn.heard_chars is not None
        entry.played = turn.heard is not None and not entry.cut
        self._use(entry, runs)
        if self.entries and turn.place != self.entries[-1].place:
            self._heard(self.entries[-1])  # the caller has gone on
        self._knew(entry, _end(turn) if turn.said_chars and not entry.failed else 0)
        if entry.played:
            self._heard(entry)
        self.entries.append(entry)

    def break_off(self, runs: Sequence[Row[Any]]) -> None:
        """Add what was done in a turn that had not ended."""
        last = self.entries[-1] if self.entries else None
        entry = Entry(None, runs[0].turn, (), over=True, cut=True)
        entry.place = 0 if last is None else last.place + 1
        entry.digest = UNKNOWN
        self._use(entry, runs)
        self.entries.append(entry)

    def _use(self, entry: Entry, runs: Iterable[Row[Any]]) -> None:
        for run in runs:
            use = _use(run)
            entry.uses.append(use)
            self._untold.append((run.at + (run.duration_ms or 0), use))

    def _knew(self, entry: Entry, until: int) -> None:
        """Its model has read, and spoken after, all that had ended before its last word."""
        entry.tells = [use for ended, use in self._untold if ended <= until]

    def _heard(self, entry: Entry) -> None:
        if entry.can_be_repeated:
            for use in entry.tells:
                use.told = True
            self._untold = [(ended, use) for ended, use in self._untold if not use.told]


def _end(turn: Row[Any]) -> int:
    return cast("int", turn.at) + (turn.last_frame_ms or 0)


def _use(run: Row[Any]) -> ToolUse:
    arguments = run.arguments if isinstance(run.arguments, dict) else {}
    use = ToolUse(run.id, run.name, arguments, begun=True, recorded=True)
    if run.outcome is None:
        use.result, use.outcome = LOST, "timeout"
    else:
        use.outcome = cast("ToolOutcome", run.outcome)
        use.result = NOT_KEPT if run.result is None else run.result
    return use
