"""Which calls, and in which order: the queries of lists, with a cursor that survives new calls."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row, Select, case, or_, select, text, tuple_
from sqlalchemy.sql.elements import ColumnElement

from bridge.store.database.retention import LEASE_MS, now_ms
from bridge.store.database.tables import SLOW_MS, calls, replicas
from bridge.store.notes import plain
from bridge.store.shapes import Filters

_SUMMARY: Final = tuple(c for c in calls.c if c.name not in {"seq", "tally_seq"})
_NAMES: Final = tuple(column.name for column in _SUMMARY)
_SLOW: Final = text(f"slowest_ms >= {SLOW_MS}")
"""As the index says it: SQLite uses a partial index only for words that it knows again."""


def summaries() -> Select[Any]:
    """The columns of a list, of every call."""
    lived = select(replicas.c.seen_at).where(replicas.c.name == calls.c.replica)
    # asked for open calls only, which are few
    seen = case((calls.c.ended_at.is_(None), lived.scalar_subquery()))
    return select(*_SUMMARY, seen.label("seen_at"))


def filtered(query: Select[Any], filters: Filters) -> Select[Any]:
    """Only the calls that all filters hold of."""
    return query.where(*_conditions(filters))


def named(query: Select[Any], name: str) -> Select[Any]:
    """Only the calls of a session, or the one of that id."""
    return query.where(has_name(name))


def has_name(name: str) -> ColumnElement[bool]:
    """Whether a call is of that session, or has that id."""
    known = plain.text(name)
    return or_(calls.c.session_id == known, calls.c.id == known)


def newest_first(query: Select[Any], after: str | None) -> Select[Any]:
    """From the newest on, or from where a page ended.

    Raises:
        ValueError: `after` is no cursor.
    """
    query = query.order_by(calls.c.started_at.desc(), calls.c.id.desc())
    return query if after is None else query.where(_place < _found(after))


def oldest_first(query: Select[Any], after: str | None) -> Select[Any]:
    """From the oldest on, or from where a page ended."""
    query = query.order_by(calls.c.started_at, calls.c.id)
    return query if after is None else query.where(_place > _found(after))


def cursor(row: Row[Any]) -> str:
    """Where a page ended."""
    return cursor_at(row.started_at, row.id)


def cursor_at(started_at: int, call_id: str) -> str:
    """A place in every list."""
    return base64.urlsafe_b64encode(orjson.dumps([started_at, call_id])).decode().rstrip("=")


def summary(row: Row[Any]) -> dict[str, Any]:
    """A row as the fields of a `CallSummary`."""
    found = dict(zip(_NAMES, row, strict=False))
    found["state"] = _state(row)
    found["started_at"] = _moment(row.started_at)
    if row.ended_at is not None:
        found["ended_at"] = _moment(row.ended_at)
    return found


_place: Final = tuple_(calls.c.started_at, calls.c.id)


def _found(after: str) -> ColumnElement[Any]:
    try:
        padded = after + "=" * (-len(after) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [int(started_at), str(call_id)] if _exist(started_at, call_id):
            return tuple_(started_at, call_id)
        case _:
            raise ValueError("not a cursor of this list")


def _exist(started_at: int, call_id: str) -> bool:
    """Whether a database can compare with these: somebody may have made the cursor up."""
    known = type(started_at) is int and abs(started_at) < 1 << 63
    return known and plain.text(call_id) == call_id


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[Any] = []
    if filters.agent is not None:
        found.append(calls.c.agent_id == plain.text(filters.agent))
    if filters.caller is not None:
        found.append(calls.c.caller == plain.text(filters.caller))
    if filters.session is not None:
        found.append(calls.c.session_id == plain.text(filters.session))
    if filters.since is not None:
        found.append(calls.c.started_at >= _milliseconds(filters.since))
    if filters.until is not None:
        found.append(calls.c.started_at < _milliseconds(filters.until))
    if filters.interrupted:
        found.append(text("interrupted > 0"))
    if filters.failed:
        found.append(text("failed > 0"))
    if filters.slow_ms is not None:
        found.append(calls.c.slowest_ms >= filters.slow_ms)
        if filters.slow_ms >= SLOW_MS:
            found.append(_SLOW)
    return found


def _state(row: Row[Any]) -> str:
    if row.ended_at is not None:
        return "aborted" if row.ending == "aborted" else "ended"
    return "live" if (row.seen_at or 0) > now_ms() - LEASE_MS else "lost"


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
