"""What becomes of calls afterwards: those of dead processes, and those that are old."""

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from bridge.store.database.tables import calls, erased, frames, replicas, tool_runs, turns
from bridge.store.database.transactions import Transactions

LEASE_MS: Final = 120_000
"""A process that was not seen for so long may be dead."""
_DAY_MS: Final = 86_400_000
_TOMBSTONE_MS: Final = 30 * _DAY_MS
"""How long notes of an erased call may still come in, from a spool that lay somewhere."""
_AT_A_TIME: Final = 100
"""Calls that are deleted in one transaction: short, so that the writer need not wait long."""


def now_ms() -> int:
    """What the clock says."""
    return time.time_ns() // 1_000_000


async def seen(connection: AsyncConnection, dialect: str, replica: str) -> None:
    """Note that a process lives."""
    insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(replicas)
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=["name"], set_={"seen_at": insert.excluded.seen_at}
        ),
        {"name": replica, "seen_at": now_ms()},
    )


async def open_calls(connection: AsyncConnection, replica: str) -> list[str]:
    """Name the calls of a process that have not ended, oldest first."""
    found = await connection.scalars(
        select(calls.c.id)
        .where(calls.c.replica == replica, calls.c.ended_at.is_(None))
        .order_by(calls.c.started_at, calls.c.id)
    )
    return list(found)


async def abort_orphans(connection: AsyncConnection, replica: str) -> list[str]:
    """End the open calls of a dead process, at the last moment that is known of each."""
    lived = select(replicas.c.seen_at).where(replicas.c.name == replica).scalar_subquery()
    spoke = func.max(turns.c.at_ms + func.coalesce(turns.c.last_frame_ms, 0))
    found = await connection.execute(
        select(calls.c.id, calls.c.started_at, spoke.label("spoke"), lived.label("lived"))
        .outerjoin(turns, turns.c.call_id == calls.c.id)
        .where(calls.c.replica == replica, calls.c.ended_at.is_(None))
        .group_by(calls.c.id, calls.c.started_at)
        .order_by(calls.c.started_at, calls.c.id)
    )
    ends = [
        {"call": row.id, "last": max(row.started_at + (row.spoke or 0), row.lived or 0)}
        for row in found
    ]
    if ends:
        await connection.execute(
            update(calls)
            .where(calls.c.id == bindparam("call"), calls.c.ended_at.is_(None))
            .values(ended_at=bindparam("last"), ending="aborted"),
            ends,
        )
    return [end["call"] for end in ends]


async def delete_calls(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Delete all that is kept of these calls."""
    for table in (frames, tool_runs, turns):
        await connection.execute(delete(table).where(table.c.call_id.in_(ids)))
    await connection.execute(delete(calls).where(calls.c.id.in_(ids)))


async def sweep(transactions: Transactions, before_ms: int) -> int:
    """Delete what is over and began before then; then tombstones and processes long gone."""
    swept = 0
    while True:
        async with transactions.begin("write") as connection:
            found = await connection.scalars(
                select(calls.c.id)
                .where(calls.c.started_at < before_ms, _is_over())
                .order_by(calls.c.started_at)
                .limit(_AT_A_TIME)
            )
            ids = list(found)
            if ids:
                await delete_calls(connection, ids)
        swept += len(ids)
        if len(ids) < _AT_A_TIME:
            break
    async with transactions.begin("write") as connection:
        long_ago = now_ms() - _TOMBSTONE_MS
        await connection.execute(delete(erased).where(erased.c.at < long_ago))
        open_calls = exists().where(calls.c.replica == replicas.c.name, calls.c.ended_at.is_(None))
        await connection.execute(delete(replicas).where(replicas.c.seen_at < long_ago, ~open_calls))
    if swept:
        await transactions.tidy(thoroughly=False)
    return swept


def _is_over() -> ColumnElement[bool]:
    """It has ended, or its process was not seen for a day: nobody else would ever delete it."""
    lives = exists().where(
        replicas.c.name == calls.c.replica, replicas.c.seen_at >= now_ms() - _DAY_MS
    )
    return calls.c.ended_at.is_not(None) | ~lives
