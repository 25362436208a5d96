"""Calls with all that was said and done in them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from bridge.store.database.tables import frames, tool_runs, turns
from bridge.store.errors import FramesTooNew
from bridge.store.notes.frames import NewerFormat, unpack, whole
from bridge.store.reading.gently import fetched, made
from bridge.store.reading.listing import summary
from bridge.store.shapes import CallDetail, Frame, ToolRun, Turn

Rows = list[dict[str, Any]]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of some calls, as they come from the database."""

    calls: Sequence[Row[Any]]
    spoken: dict[str, Rows]
    done: dict[str, Rows]
    wire: dict[str, Rows]


async def find(
    connection: AsyncConnection, found: Sequence[Row[Any]], *, with_frames: bool
) -> Found:
    """Fetch what belongs to these calls."""
    ids = [row.id for row in found]
    return Found(
        found,
        await _by_call(connection, turns, ids, turns.c.number),
        await _by_call(connection, tool_runs, ids, tool_runs.c.at_ms, tool_runs.c.seq),
        await _by_call(connection, frames, ids, frames.c.seq) if with_frames else {},
    )


async def details(found: Found) -> AsyncGenerator[CallDetail]:
    """Make whole calls of rows, in their order. It takes its time: outside the transaction.

    Raises:
        FramesTooNew: see there.
    """
    for row in found.calls:
        spoken = await made(found.spoken.get(row.id, ()), Turn.model_validate)
        done = await made(found.done.get(row.id, ()), ToolRun.model_validate)
        wire = await made(found.wire.get(row.id, ()), _unpacked)
        yield CallDetail.model_validate(
            summary(row)
            | {
                "timeline": _timeline(spoken, done),
                "tool_runs": () if spoken else done,
                "frames": whole(frame for part in wire for frame in part) if wire else None,
            }
        )


async def _by_call(
    connection: AsyncConnection, table: Table, ids: list[str], *order: ColumnElement[Any]
) -> dict[str, Rows]:
    query = select(table).where(table.c.call_id.in_(ids)).order_by(table.c.call_id, *order)
    names = tuple(table.c.keys())
    found: dict[str, Rows] = defaultdict(list)
    result = await connection.execute(query)
    for row in await fetched(result, lambda row: dict(zip(names, row, strict=True))):
        found[row["call_id"]].append(row)
    return found


def _timeline(spoken: list[Turn], done: list[ToolRun]) -> list[Turn]:
    """The turns with their tool runs.

    A run whose own turn was lost, or is not there yet, is told with the turn before it.
    """
    if not done or not spoken:
        return spoken
    numbers = [turn.number for turn in spoken]
    runs: dict[int, list[ToolRun]] = defaultdict(list)
    for run in done:
        runs[max(0, bisect_right(numbers, run.turn) - 1)].append(run)
    return [
        turn.model_copy(update={"tool_runs": tuple(runs[place])}) if place in runs else turn
        for place, turn in enumerate(spoken)
    ]


def _unpacked(row: dict[str, Any]) -> list[Frame]:
    try:
        return unpack(row["data"])
    except NewerFormat:
        raise FramesTooNew(row["call_id"]) from None
    except ValueError:  # the rest of the call can be read
        _log.warning("frames cannot be read", call=row["call_id"], seq=row["seq"])
        return []
