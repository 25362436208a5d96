"""What the record asks of a kind of database, beyond the SQL that all of them understand."""

from collections.abc import Set
from typing import Any, Final, Protocol

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.errors import BridgeError, SettingsError
from bridge.store.database.plan import Plan


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


ENGINE: Final[dict[str, Any]] = {
    "json_serializer": _dumps,
    "json_deserializer": orjson.loads,
    "hide_parameters": True,  # they are what people said
    "pool_reset_on_return": None,  # `Transactions` ends each one itself
}

ERASING: Final = 1
"""Number of the lock that keeps saving and erasing apart."""
MIGRATING: Final = 2
"""Number of the lock that lets one process migrate at a time."""


class Dialect(Protocol):
    """One kind of database, and where the record's own is."""

    @property
    def name(self) -> str:
        """SQLAlchemy's word for it."""

    @property
    def shown(self) -> str:
        """Where the database is, without the password."""

    @property
    def write(self) -> str:
        """The first statement of a transaction that writes: bounds it, or takes the lock."""

    @property
    def read(self) -> str:
        """The first statement of one that reads."""

    def engine(self, *, reading: bool) -> AsyncEngine:
        """Make an engine; nothing is connected yet."""

    @property
    def passing(self) -> Set[str]:
        """Reasons for being away that pass by themselves in a moment."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver itself raises."""

    async def keep(self, line: Any, plan: Plan) -> Set[str]:
        """Carry out a plan on the driver's own connection, as one transaction.

        Returns:
            Those of its calls that were erased, and of which nothing is kept.
        """

    async def look_over(self, connection: AsyncConnection) -> None:
        """Look for damage, briefly.

        Raises:
            SettingsError: there is some.
        """

    async def take_time(self, connection: AsyncConnection) -> None:
        """Let the statements of this transaction take as long as they need."""

    async def lock(self, connection: AsyncConnection, what: int) -> None:
        """Keep others who ask for the same out until the transaction ends."""

    async def tidy(self, connection: AsyncConnection, *, thoroughly: bool) -> None:
        """Let what was deleted go from the disk, too; outside a transaction.

        Thoroughly: all of it, even if that takes a while.
        """

    def meaning(self, error: BaseException) -> BridgeError:
        """What a driver's exception means for the record."""

    def hopeless(self, error: BaseException) -> SettingsError | None:
        """Why there is no point in trying again, if the first try failed with this."""
