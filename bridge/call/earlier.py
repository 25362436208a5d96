"""What is on record of the calls before one, as a call needs it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from bridge.call.events import CallData
from bridge.call.ledger import Entry
from bridge.call.memory import Past

Miss = Literal["unknown", "refused", "away"]
"""Why there is nothing of an earlier call: none is on record, it is not one for this caller, the
database does not answer."""


class Earlier(Protocol):
    """The record, read for a call that begins. Nothing here raises."""

    @property
    def healthy(self) -> bool:
        """Whether it is worth waiting for an answer."""

    @property
    def kept(self) -> bool:
        """Whether there is a record at all."""

    async def warm(self) -> None:
        """Be quick for the first caller, too; called once, before there is one."""

    def asks(self, call: CallData) -> bool:
        """Whether a call goes on from an earlier one, as far as it may."""

    async def past(self, call: CallData) -> Past | Miss:
        """The end of the call that this one goes on from."""

    async def deeds(self, call: CallData) -> Sequence[Entry]:
        """The turns of this very call, if its socket was lost on another process; oldest first."""


class NoEarlier:
    """Nothing is on record."""

    healthy = kept = False

    async def warm(self) -> None:
        """Nothing to do."""

    def asks(self, call: CallData) -> bool:
        """No."""
        del call
        return False

    async def past(self, call: CallData) -> Past | Miss:
        """None."""
        del call
        return "unknown"

    async def deeds(self, call: CallData) -> Sequence[Entry]:
        """None."""
        del call
        return ()
