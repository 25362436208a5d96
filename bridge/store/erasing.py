"""Erasing calls for good."""

from importlib import import_module
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.sql.elements import ColumnElement

from bridge.store import plain
from bridge.store.dialect import ERASING
from bridge.store.errors import DatabaseAway
from bridge.store.listing import has_name
from bridge.store.retention import delete_calls, now_ms
from bridge.store.tables import calls, erased
from bridge.store.transactions import Transactions

_AT_A_TIME: Final = 100
_log = structlog.get_logger(__name__)


async def erase_session(transactions: Transactions, name: str) -> int:
    """Erase the connections of a session, or the one of that id."""
    return await _erase(transactions, has_name(name))


async def erase_caller(transactions: Transactions, number: str) -> int:
    """Erase all calls of a number."""
    return await _erase(transactions, calls.c.caller == plain.text(number))


async def _erase(transactions: Transactions, which: ColumnElement[bool]) -> int:
    """Delete what is kept, and set a stone for each call: what still comes of it is dropped.

    So a live call goes on, and nothing more of it is kept.
    """
    count = 0
    while True:
        async with transactions.begin("write") as connection:
            await transactions.kind.lock(connection, ERASING)
            ids = list(await connection.scalars(select(calls.c.id).where(which).limit(_AT_A_TIME)))
            if ids:
                at = now_ms()
                stones = [{"call_id": call_id, "at": at} for call_id in ids]
                await connection.execute(_stone(transactions.kind.name), stones)
                await delete_calls(connection, ids)
        count += len(ids)
        if len(ids) < _AT_A_TIME:
            break
    if count:
        try:
            await transactions.tidy(thoroughly=True)
        except DatabaseAway as away:
            _log.warning("erased, but not yet overwritten on the disk", reason=away.reason)
    return count


def _stone(dialect: str) -> Any:
    insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(erased)
    return insert.on_conflict_do_update(index_elements=["call_id"], set_={"at": insert.excluded.at})
