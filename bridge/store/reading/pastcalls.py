"""The end of an earlier call, read from the record for the model's memory."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import Row, Select, Text, exists, func, select
from sqlalchemy import cast as as_type
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.call.events import CallData
from bridge.call.memory import Deed, Exchange, Past
from bridge.store.database.tables import calls, tool_runs, turns
from bridge.store.reading.persons import Person

_MOST_CONNECTIONS: Final = 20
"""Of one session; a socket may drop many times."""
_MOST_CALLS: Final = 20
"""Of one caller, that are looked through for words."""
_MOST_ROWS: Final = 100
"""Turns, and tools: more than any memory holds."""
_LONGEST: Final = 2_400
"""Characters of a text that are read: a memory quotes fewer."""

_COLUMNS = (
    calls.c.id,
    calls.c.session_id,
    calls.c.agent_id,
    calls.c.caller,
    calls.c.user_id,
    calls.c.started_at,
)
_NEWEST_FIRST = (calls.c.started_at.desc(), calls.c.id.desc())

Connections = Sequence[Row[Any]]


async def connections_of(database: AsyncConnection, session_id: str) -> Connections:
    """All connections of a session, newest first."""
    found = select(*_COLUMNS).where(calls.c.session_id == session_id)
    return await _all(database, found.order_by(*_NEWEST_FIRST).limit(_MOST_CONNECTIONS))


async def newest_of(database: AsyncConnection, person: Person, call: CallData) -> Connections:
    """The newest earlier call of a person with the same agent, of those with words.

    By number, it must have been to the same number, too: which of the two is the caller's is not
    certain, and that of the agent's own line is the same for everybody whom it calls.
    """
    mine = select(*_COLUMNS).where(
        calls.c.agent_id == call.agent_id, calls.c.session_id != call.session_id
    )
    if person.user_id:
        mine = mine.where(calls.c.user_id == person.user_id)
    else:
        same_line = calls.c.called.is_not_distinct_from(person.called)
        mine = mine.where(calls.c.caller == person.number, same_line)
    newest = mine.order_by(*_NEWEST_FIRST).limit(_MOST_CALLS).subquery()
    words = exists().where(turns.c.call_id == newest.c.id, turns.c.asked != "")
    order = (newest.c.started_at.desc(), newest.c.id.desc())
    found = await _all(database, select(newest).where(words).order_by(*order).limit(1))
    if not found or not found[0].session_id:
        return found
    newest_one = found[0]
    return [
        one
        for one in await connections_of(database, newest_one.session_id)
        if one.agent_id == newest_one.agent_id
        if (one.user_id, one.caller) == (newest_one.user_id, newest_one.caller)
    ]


async def end_of(database: AsyncConnection, connections: Connections) -> Past:
    """What was said and done last, over all connections of a call."""
    newest = connections[0]
    began = datetime.fromtimestamp(newest.started_at / 1000, UTC)
    ids = [connection.id for connection in connections]
    said = await _all(database, _turns(ids))
    done = await _all(database, _tools(ids))
    return Past(newest.session_id, began, tuple(_exchanges(said[::-1], done[::-1])))


def _turns(ids: Sequence[str]) -> Select[Any]:
    at = calls.c.started_at + turns.c.at_ms
    return (
        select(
            turns.c.call_id,
            turns.c.number,
            at.label("at"),
            turns.c.place,
            _beginning(turns.c.asked, "asked"),
            _beginning(turns.c.said, "said"),
            _beginning(turns.c.heard, "heard"),
            turns.c.heard_chars,
            turns.c.outcome,
        )
        .join(calls, calls.c.id == turns.c.call_id)
        .where(turns.c.call_id.in_(ids), calls.c.level != "metadata")
        .order_by(at.desc(), turns.c.number.desc())
        .limit(_MOST_ROWS)
    )


def _tools(ids: Sequence[str]) -> Select[Any]:
    at = calls.c.started_at + tool_runs.c.at_ms
    return (
        select(
            tool_runs.c.call_id,
            tool_runs.c.turn,
            at.label("at"),
            tool_runs.c.name,
            _beginning(as_type(tool_runs.c.arguments, Text), "arguments"),
            _beginning(tool_runs.c.result, "result"),
            tool_runs.c.outcome,
        )
        .join(calls, calls.c.id == tool_runs.c.call_id)
        .where(tool_runs.c.call_id.in_(ids), calls.c.level != "metadata")
        .order_by(at.desc(), tool_runs.c.seq.desc())
        .limit(_MOST_ROWS)
    )


def _beginning(column: Any, name: str) -> Any:
    return func.substr(column, 1, _LONGEST).label(name)


async def _all(database: AsyncConnection, query: Select[Any]) -> Connections:
    found: Connections = (await database.execute(query)).all()
    return found


# ── from rows to exchanges ───────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Line:
    """One line of the caller's, with all that came of it: Millis may have asked several times."""

    place: int
    asked: str
    deeds: list[Deed] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    note: str = ""

    def exchange(self) -> Exchange:
        return Exchange(self.asked, tuple(self.deeds), " ".join(self.answers), self.note)


def _exchanges(said: Iterable[Row[Any]], done: Iterable[Row[Any]]) -> list[Exchange]:
    """Oldest first. Openings count only for what was done in them."""
    deeds: defaultdict[tuple[str, int], list[Row[Any]]] = defaultdict(list)
    for run in done:
        deeds[run.call_id, run.turn].append(run)
    lines: list[_Line] = []
    first = None
    for turn in said:
        first = turn.at if first is None else first
        runs = deeds.pop((turn.call_id, turn.number), [])
        if turn.place < 0 and not runs:
            continue
        if not lines or turn.place < 0 or lines[-1].place != turn.place:
            lines.append(_Line(turn.place, ""))
        _add(lines[-1], turn, runs)
    for runs in deeds.values():  # of turns that never ended: the line was lost, or it goes on
        if first is None or runs[0].at >= first:
            note = "This was not answered, or not yet."
            lines.append(_Line(-1, "", [_deed(run) for run in runs], note=note))
    return [line.exchange() for line in lines]


def _add(line: _Line, turn: Row[Any], runs: Iterable[Row[Any]]) -> None:
    line.asked = turn.asked or line.asked
    line.deeds += map(_deed, runs)
    answer = (turn.said if turn.heard is None else turn.heard) or ""
    if answer.strip() and answer not in line.answers:
        line.answers.append(answer)
    line.note = _note(turn)


def _note(turn: Row[Any]) -> str:
    if turn.outcome == "failed":
        return "Something went wrong in this answer."
    cut = turn.outcome in {"interrupted", "superseded", "hung_up"}
    if turn.heard is None:
        return "You were cut off: the caller may not have heard all of this." if cut else ""
    if turn.heard_chars is None:
        return ""
    return "You were cut off here." if turn.heard else "You were cut off: nothing was heard."


def _deed(run: Row[Any]) -> Deed:
    if run.outcome is None:
        return Deed(run.name, _arguments(run.arguments), "", "unknown: it may have been done")
    return Deed(run.name, _arguments(run.arguments), run.result or "", run.outcome)


def _arguments(text: str | None) -> dict[str, Any] | str:
    """As an object where all of it was read."""
    try:
        read = json.loads(text or "{}")
    except ValueError:
        return text or ""
    return cast("dict[str, Any]", read) if isinstance(read, dict) else ""
