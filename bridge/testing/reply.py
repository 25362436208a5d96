"""One reply of the agent's in a test: what was said, what was heard, what was done for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.local.answer import Answer
from bridge.protocol import TransferCall
from bridge.testing.witness import ToolUsed, Witness


@dataclass(frozen=True, eq=False, repr=False)
class Reply:
    """What came of one thing that the caller said. It grows until it is over."""

    answer: Answer
    """The frames, and when each word is played."""
    asked: str
    """The caller's words; empty for the greeting."""
    at: float
    """When Millis asked for it: seconds since the call began."""
    _witness: Witness
    _now: Callable[[], float]

    def __repr__(self) -> str:
        return f"<reply to {self.asked!r}: {self.text!r}>"

    @property
    def text(self) -> str:
        """What was sent to be spoken."""
        return self.answer.text

    @property
    def heard(self) -> str:
        """What the caller has heard of it: less than `text` where they spoke over it."""
        return self.answer.heard(self._now()).strip()

    @property
    def interrupted(self) -> bool:
        """Whether the caller spoke over it."""
        return self.answer.silenced == "interrupted"

    @property
    def tools(self) -> Sequence[ToolUsed]:
        """What was used for it, in order."""
        return self._witness.tools_of(self.answer.stream_id)

    @property
    def failure(self) -> str | None:
        """Why it is an apology, or ends with one; None if it does not."""
        return self._witness.failures.get(self.answer.stream_id)

    @property
    def first_word(self) -> float | None:
        """Seconds from the request to the first word; None if there was none."""
        return self.answer.first_word

    @property
    def dead_air(self) -> float | None:
        """The longest that the caller heard nothing, from the request to the end of it: seconds.

        None if nothing was played.
        """
        return self.answer.dead_air

    @property
    def ends_call(self) -> bool:
        """Whether the agent hung up after it."""
        return self.answer.action is not None and not self.transfers_to

    @property
    def transfers_to(self) -> str:
        """The number that the caller was handed over to after it; empty for none."""
        action = self.answer.action
        return action.data.destination if isinstance(action, TransferCall) else ""
