"""What is on record of the calls before one: `bridge.call.earlier.Earlier`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, Protocol, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.call.earlier import Miss
from bridge.call.events import CallData
from bridge.call.ledger import Entry
from bridge.call.memory import Past
from bridge.errors import BridgeError
from bridge.store.database.database import Database
from bridge.store.notes.plain import text
from bridge.store.reading.pastcalls import connections_of, end_of, newest_of
from bridge.store.reading.persons import Person
from bridge.store.reading.resuming import left_off

T = TypeVar("T")

Continuation = Literal["by-id", "same-caller", "off"]

_GIVE_UP: Final = 5.0
"""Seconds that a look-up may take; nobody waits for it that long."""
_CATCH_UP: Final = 0.25
"""Seconds in which what was noted last may come from the spool into the database."""
_WARM: Final = 1.0
"""Seconds that a start may take for it."""
_OVERDUE: Final = 0.25
"""Seconds after which nobody else should wait for the database."""
_STUCK: Final = 1.0
"""Seconds after which nobody else should ask it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """Which calls go on from earlier ones."""

    continuation: Continuation = "by-id"
    """Whether a call may name an earlier one; and whether it must be the same caller's."""
    remember_callers: bool = False
    """Whether a known caller's newest call is remembered without being named."""
    resume_window: float = 300.0
    """Seconds in which a call whose socket dropped goes on where it was."""


class OnRecord(Protocol):
    """What is needed of the recorder."""

    @property
    def healthy(self) -> bool:
        """Whether the database is well."""

    @property
    def replica(self) -> str:
        """The name of this process in the record."""

    @property
    def database(self) -> Database:
        """Where it is kept."""

    async def written(self) -> None:
        """Wait until all that was noted so far is in the database."""


class EarlierCalls:
    """The record, read for a call that begins. Nothing here raises."""

    kept = True

    def __init__(self, record: OnRecord, rules: Rules) -> None:
        self._record = record
        self._rules = rules
        self._well = True
        """How the last look-up went."""
        self._waiting: list[float] = []
        """When the look-ups that go on were begun."""

    @property
    def healthy(self) -> bool:
        """Whether it is worth waiting for an answer."""
        return self._well and self._waited < _OVERDUE and self._record.healthy

    @property
    def _waited(self) -> float:
        """Seconds for which the oldest look-up has gone on."""
        return time.monotonic() - self._waiting[0] if self._waiting else 0.0

    async def warm(self) -> None:
        """Connect, and have the statements ready: the first caller should not wait for that."""
        if not self.healthy:
            return
        nobody = CallData(session_id="?", agent_id="?", continues="??")
        looks = (asyncio.create_task(look(nobody)) for look in (self.deeds, self.past))
        _, late = await asyncio.wait(set(looks), timeout=_WARM)
        for look in late:
            look.cancel()
        if late:
            await asyncio.wait(late)

    def asks(self, call: CallData) -> bool:
        """Whether a call goes on from an earlier one, as far as it may."""
        return self._rules.continuation != "off" and (
            bool(_named(call)) or (self._rules.remember_callers and Person.of(call).is_known)
        )

    async def past(self, call: CallData) -> Past | Miss:
        """The end of the call that this one goes on from."""
        call = _as_recorded(call)
        await self._catch_up()
        return await self._ask(partial(self._past, call)) or "away"

    async def deeds(self, call: CallData) -> Sequence[Entry]:
        """The turns of this very call, if its socket was lost on another process."""
        own, window = self._record.replica, self._rules.resume_window
        return await self._ask(partial(left_off, _as_recorded(call), own, window)) or ()

    async def _past(self, call: CallData, database: AsyncConnection) -> Past | Miss:
        person = Person.of(call)
        if not (named := _named(call)):
            connections = await newest_of(database, person, call)
        elif connections := await connections_of(database, named):
            connections = [
                one
                for one in connections
                if one.agent_id == call.agent_id
                if self._rules.continuation == "by-id" or person.is_same(one.user_id, one.caller)
            ]
            if not connections:
                return "refused"
        return await end_of(database, connections) if connections else "unknown"

    async def _catch_up(self) -> None:
        """The earlier call may have been on this process, a moment ago."""
        try:
            async with asyncio.timeout(_CATCH_UP):
                await self._record.written()
        except TimeoutError:
            pass

    async def _ask(self, look: Callable[[AsyncConnection], Awaitable[T]]) -> T | None:
        """Look something up; None if the database is not well. If it hangs, one asks for all."""
        if self._waited > _STUCK:
            return None
        began = time.monotonic()
        self._waiting.append(began)
        try:
            async with asyncio.timeout(_GIVE_UP), self._record.database.reading() as database:
                found = await look(database)
        except (BridgeError, TimeoutError) as error:
            self._well = False
            _log.info("earlier calls cannot be read", error=type(error).__name__)
            return None
        else:
            self._well = True
            return found
        finally:
            self._waiting.remove(began)


def _as_recorded(call: CallData) -> CallData:
    return replace(
        call,
        session_id=text(call.session_id),
        agent_id=text(call.agent_id),
        continues=text(call.continues),
    )


def _named(call: CallData) -> str:
    """The earlier session that a call names; never its own."""
    return "" if call.continues == call.session_id else call.continues
