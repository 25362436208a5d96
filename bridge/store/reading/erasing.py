"""Erasing calls for good."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import islice
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from bridge.store.database.dialect import ERASING
from bridge.store.database.retention import delete_calls, now_ms
from bridge.store.database.tables import calls, erased
from bridge.store.database.transactions import Transactions
from bridge.store.errors import DatabaseAway
from bridge.store.notes import plain
from bridge.store.reading.listing import has_name

_AT_A_TIME: Final = 100
_log = structlog.get_logger(__name__)


async def erase_session(transactions: Transactions, name: str, unsaved: Iterable[str]) -> int:
    """Erase the connections of a session, or the one of that id; and calls yet to come."""
    return await _erase(transactions, has_name(name), unsaved)


async def erase_caller(transactions: Transactions, number: str, unsaved: Iterable[str]) -> int:
    """Erase all calls of a number, and calls yet to come."""
    return await _erase(transactions, calls.c.caller == plain.text(number), unsaved)


async def erased_of(connection: AsyncConnection, ids: Iterable[str]) -> set[str]:
    """Which of these calls were erased."""
    found = set[str]()
    for some in _parts(ids):
        query = select(erased.c.call_id).where(erased.c.call_id.in_(some))
        found.update(await connection.scalars(query))
    return found


async def _erase(
    transactions: Transactions, which: ColumnElement[bool], unsaved: Iterable[str]
) -> int:
    """Delete what is kept, and set a stone for each call: what still comes of it is dropped.

    So a live call goes on, and nothing more of it is kept.
    """
    count = 0
    for some in _parts(unsaved):
        async with _erasing(transactions) as connection:
            gone = await erased_of(connection, some)
            ids = [call_id for call_id in some if call_id not in gone]
            await _bury(connection, transactions.kind.name, ids)
        count += len(ids)
    while True:
        async with _erasing(transactions) as connection:
            ids = list(await connection.scalars(select(calls.c.id).where(which).limit(_AT_A_TIME)))
            await _bury(connection, transactions.kind.name, ids)
        count += len(ids)
        if len(ids) < _AT_A_TIME:
            break
    if count:
        try:
            await transactions.tidy(thoroughly=True)
        except DatabaseAway as away:
            _log.warning("erased, but not yet overwritten on the disk", reason=away.reason)
    return count


@asynccontextmanager
async def _erasing(transactions: Transactions) -> AsyncGenerator[AsyncConnection]:
    """A transaction in which nobody saves."""
    async with transactions.begin("write") as connection:
        await transactions.kind.lock(connection, ERASING)
        yield connection


async def _bury(connection: AsyncConnection, dialect: str, ids: Sequence[str]) -> None:
    if ids:
        at = now_ms()
        stones = [{"call_id": call_id, "at": at} for call_id in ids]
        await connection.execute(_stone(dialect), stones)
        await delete_calls(connection, ids)


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while some := list(islice(left, _AT_A_TIME)):
        yield some


def _stone(dialect: str) -> Any:
    insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(erased)
    return insert.on_conflict_do_update(index_elements=["call_id"], set_={"at": insert.excluded.at})
