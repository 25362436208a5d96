"""The values that labels may have. None comes from the wire, from a model or from an argument."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, get_args

from bridge.call.ahead import COUNTS
from bridge.call.events import Ending, TurnOutcome
from bridge.call.ledger import ToolOutcome
from bridge.call.recall import COUNTS as RECALL
from bridge.speech import Kind

OTHER: Final = "other"
"""Stands for every value that is not known beforehand."""

ENDINGS: Final[tuple[str, ...]] = get_args(Ending)
TURN_OUTCOMES: Final[tuple[str, ...]] = get_args(TurnOutcome)
TOOL_OUTCOMES: Final[tuple[str, ...]] = get_args(ToolOutcome)
UNSPOKEN: Final[tuple[str, ...]] = get_args(Kind)
AHEAD: Final = tuple(count for count in COUNTS if count != "wasted_tokens")
CONTINUATION: Final = tuple(RECALL)
INTERRUPTS: Final = ("speaking", "playing", "nothing")
REFUSALS: Final = ("token", "origin", "draining", "full", "silent", "crowded")
DOORS: Final = ("call", "watch", "api", "console")
LOSSES: Final = ("spool_full", "disk", "torn", "refused", "unencodable", "closed")
RECORD_STATES: Final = ("ok", "behind", "away", "off")
MODEL_FAILURES: Final = (
    "connection",
    "no_first_token",
    "stalled",
    "rate_limit",
    "server",
    "bad_request",
    "refused_key",
    "unknown_model",
)
"""Kinds of failure of one attempt, see `agent.failures`."""
TURN_FAILURES: Final = (
    *MODEL_FAILURES,
    "model_down",
    "tool_limit",
    "server_stopped",
    "turn_timeout",
    "agent",
    "cancelled",
    "bug",
)
DROPPED: Final = (
    "not_json",
    "not_an_object",
    "unknown_type",
    "unusable",
    "too_many_items",
    "binary",
    "protocol_error",
    "duplicate",
    "stale",
)


def among(value: str, known: Collection[str]) -> str:
    """The value if it is known, else `other`."""
    return value if value in known else OTHER


def counts(found: Mapping[str, float], known: Iterable[str]) -> list[tuple[tuple[str, ...], float]]:
    """One sample for each known value, and one for all others together."""
    values = {value: found.get(value, 0) for value in known}
    rest = sum(found.values()) - sum(values.values())
    return [((value,), count) for value, count in {**values, OTHER: rest}.items()]


class Named:
    """Names that may become labels while a process lives: so many, and no more.

    Tools are loaded again and again, and a server of tools may call its own as it likes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def label(self, name: str, loaded: Collection[str]) -> str:
        """The name, if it is one of those loaded, or was; else `other`."""
        if name in self._names:
            return name
        if name not in loaded or len(self._names) >= self._most:
            return OTHER
        self._names.add(name)
        return name
