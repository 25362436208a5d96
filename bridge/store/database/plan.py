"""Notes as statements: upserts that may come twice, late, or out of order.

Only what was heard of a turn must not come before the turn; the spool keeps the order.

SQLAlchemy writes the SQL, once for each kind of database; the drivers run it, because going through
SQLAlchemy for each batch would cost the event loop, where calls are, several times as much.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

import orjson
from sqlalchemy import JSON, Table, bindparam, update

from bridge.store.database.tables import calls, frames, tool_runs, turns
from bridge.store.errors import NotesRefused
from bridge.store.notes.note import Kind, Note

_HEAD: Final = ("id", "session_id", "agent_id", "started_at", "replica", "level")
_GOES: Final = (
    "tally_seq", "ended_at", "ending", "turns", "interrupted", "failed", "tools", "slowest_ms",
    "tokens_in", "tokens_out", "frames_lost",
)  # fmt: skip
_TABLES: Final[dict[Kind, tuple[Table, str]]] = {
    "call": (calls, "seq"),
    "tally": (calls, "tally_seq"),
    "turn": (turns, "seq"),
    "heard": (turns, "seq"),
    "tool": (tool_runs, "seq"),
    "frames": (frames, "seq"),
}
"""Of each kind of note: its table, and the column of its `seq`."""
_HEARD: Final = ("seq", "heard", "heard_chars")
_DRIVERS: Final = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}


def _columns(kind: Kind) -> tuple[str, ...]:
    names = tuple(_TABLES[kind][0].c.keys())
    match kind:
        case "call":
            return tuple(name for name in names if name not in _GOES)
        case "tally":
            return (*_HEAD, *_GOES)
        case "heard":
            return (*_HEARD, "call_id", "number", "until")
        case _:
            return names


_COLUMNS: Final = {kind: _columns(kind) for kind in _TABLES}
_JSON: Final = {
    kind: [
        column.name
        for column in table.c
        if isinstance(column.type, JSON) and column.name in _COLUMNS[kind]
    ]
    for kind, (table, _) in _TABLES.items()
}


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, and the values for each time that it is run."""

    sql: str
    rows: list[tuple[str, tuple[Any, ...]]]
    """The call that it is about, and the values."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch of notes is kept."""

    calls: list[str]
    steps: list[Step]

    def without(self, gone: Collection[str]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """What to run: nothing of the calls that are gone."""
        for step in self.steps:
            rows = [values for call, values in step.rows if call not in gone]
            if rows:
                yield step.sql, rows


def plan(notes: Iterable[Note], dialect: str) -> Plan:
    """Find out what to run for these notes.

    Raises:
        NotesRefused: there is something in them that JSON cannot hold.
    """
    newest = _newest(notes)
    heads = {note.head.id: note.head for note in newest}
    told = {note.head.id for note in newest if note.kind in {"call", "tally"}}
    steps = [
        Step(
            _beginning(dialect),
            [
                (call, tuple(getattr(head, name) for name in _HEAD))
                for call, head in heads.items()
                if call not in told
            ],
        )
    ]
    for kind in _TABLES:
        rows = [(note.head.id, _values(note)) for note in newest if note.kind == kind]
        sql = _hearing(dialect) if kind == "heard" else _upsert(dialect, kind)
        steps.append(Step(sql, rows))
    return Plan(list(heads), [step for step in steps if step.rows])


def _newest(notes: Iterable[Note]) -> list[Note]:
    """Of each row the newest note only.

    In order of the calls: of two processes that write the same rows, one waits, not both.
    """
    newest: dict[tuple[str, Kind, Any], Note] = {}
    for note in notes:
        key = (note.head.id, note.kind, _place(note))
        if key not in newest or note.seq >= newest[key].seq:
            newest[key] = note
    return sorted(newest.values(), key=lambda note: note.head.id)


def _place(note: Note) -> Any:
    """Which row of its call a note is about."""
    match note.kind:
        case "turn" | "heard":
            return note.row.get("number")
        case "tool":
            return note.row.get("id")
        case "frames":
            return note.seq
        case _:
            return None


def _values(note: Note) -> tuple[Any, ...]:
    table, seq = _TABLES[note.kind]
    found: dict[str, Any] = {"call_id": note.head.id}
    if table is calls:
        found = {name: getattr(note.head, name) for name in _HEAD}
    found |= note.row
    found[seq] = found["until"] = note.seq
    try:
        for name in _JSON[note.kind]:
            if found.get(name) is not None:
                found[name] = orjson.dumps(found[name]).decode()
    except TypeError:
        raise NotesRefused("type") from None
    return tuple([found.get(name) for name in _COLUMNS[note.kind]])


@cache
def _beginning(dialect: str) -> str:
    """What makes a row for a call, so that a note can stand alone."""
    insert = _insert(dialect, calls).on_conflict_do_nothing(index_elements=["id"])
    return _sql(insert, dialect, _HEAD)


@cache
def _upsert(dialect: str, kind: Kind) -> str:
    table, seq = _TABLES[kind]
    key = table.primary_key.columns.keys()
    insert = _insert(dialect, table)
    if kind == "frames":
        insert = insert.on_conflict_do_nothing(index_elements=key)
    else:
        constant = {*key, *(_HEAD if kind == "tally" else ("started_at", "replica", "level"))}
        insert = insert.on_conflict_do_update(
            index_elements=key,
            set_={name: insert.excluded[name] for name in _COLUMNS[kind] if name not in constant},
            where=insert.excluded[seq] >= table.c[seq],
        )
    return _sql(insert, dialect, _COLUMNS[kind])


@cache
def _hearing(dialect: str) -> str:
    """What adds to a turn what was heard of it."""
    change = (
        update(turns)
        .where(turns.c.call_id == bindparam("call"), turns.c.number == bindparam("turn"))
        .where(turns.c.seq <= bindparam("until"))
    )
    return _sql(change, dialect, _HEARD, ("call", "turn", "until"))


def _insert(dialect: str, table: Table) -> Any:
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


def _sql(change: Any, dialect: str, columns: tuple[str, ...], others: tuple[str, ...] = ()) -> str:
    """The statement; it takes values for these columns, and others, in this order."""
    writer = import_module(f"sqlalchemy.dialects.{dialect}.{_DRIVERS[dialect]}").dialect()
    compiled = change.compile(dialect=writer, column_keys=list(columns))
    if tuple(compiled.positiontup) != (*columns, *others):
        raise AssertionError("SQLAlchemy asks for the values in another order")
    return str(compiled)
