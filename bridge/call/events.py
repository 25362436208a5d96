"""What happens in a call, for whoever watches it and for its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from bridge.call.ledger import ToolOutcome
from bridge.protocol import Inbound, Outbound

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CallData:
    """What Millis told us about a call when it began. All of it is hostile data."""

    session_id: str = ""
    agent_id: str = ""
    call_sid: str | None = None
    caller: str | None = None
    """Number of the person on the phone; None off the phone."""
    called: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    include_metadata_in_prompt: bool = False
    continues: str = ""
    """The earlier session that `start_call` asks to go on from; empty for none."""
    persona: str = "default"
    """Who answers: a name from our own settings."""


# ── of a call ────────────────────────────────────────────────────────────────────────────────────

Ending = Literal[
    "hung_up",  # Millis closed the socket, or it was lost
    "ended",  # the agent ended the call
    "transferred",  # the agent handed the caller over
    "replaced",  # another socket took over the session, or the session changed
    "not_reading",  # the peer was cut off
    "nothing_said",  # the peer was silent after connecting
    "bad_frame",  # too large, or no WebSocket
    "server_stopped",
]
"""How a connection ended. A process that died leaves calls without one: those are `aborted`."""


@dataclass(frozen=True, slots=True)
class CallBegan:
    """Millis has told who calls; may come late, or not at all."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The call goes on from an earlier one: the model reads of it."""

    session_id: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The connection is gone, and every tool of it has ended. Nothing follows."""

    ending: Ending


# ── of a turn ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """Millis has asked for a reply."""

    stream_id: int | str
    turn: int
    """Number of the reply in its call; gaps are drafts that were dropped."""
    asked: str = ""
    """The caller's line."""
    place: int = -1
    """Which of the caller's lines that is, counted from 0; -1 for the opening."""
    ahead: bool = False
    """Whether it had been begun before."""


TurnOutcome = Literal[
    "complete", "empty", "failed", "interrupted", "superseded", "hung_up", "dropped"
]


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A reply is over, one way or another."""

    stream_id: int | str
    turn: int
    outcome: TurnOutcome
    said: str
    """What was sent to be spoken."""
    first_word: float | None
    """Seconds from the request to the first word; None if there was none."""
    first_token: float | None = None
    """Seconds from the request to the first sign of life of the model."""
    last_frame: float | None = None
    """Seconds from the request to the last frame."""
    failure: str | None = None
    """Kind of failure, from a fixed set."""
    first_frame: float | None = None
    """Seconds from the request to the first frame of speech, whosever; fillers do not count."""
    own: float | None = None
    """Of `first_word`, the bridge's own seconds: before the model was asked, and from the token
    that became the word."""
    stopped: float | None = None
    """Seconds from falling silent until nothing was at work on it; None if it was not silenced."""
    fillers: int = 0
    """How many the caller heard."""
    unspoken: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    """What of the model's text was not fit to be spoken: how many, by kind."""


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """Millis has told how much of a reply the caller heard. The newest telling holds."""

    turn: int
    heard: str
    chars: int | None = None
    """Where the caller spoke over it: how many of the characters said were heard; None if the
    caller let it finish."""


@dataclass(frozen=True, slots=True)
class AskedTool:
    """What a message of the model's asks of a tool."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    """One message of the model's is complete."""

    turn: int
    model: str
    text: str
    tool_calls: tuple[AskedTool, ...]
    first_token: float | None
    """Seconds from asking to the first token."""
    seconds: float
    tokens_in: int | None
    tokens_out: int | None
    response_model: str = ""
    """What its server calls the model; empty if it does not say."""
    finish_reason: str = ""
    """Why it ended, in its server's words."""


# ── of a tool ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ToolBegun:
    """A tool has started."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    turn: int
    policy: str = ""
    """How it is treated, in words."""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool has ended. `result` is what the model reads."""

    id: str
    name: str
    result: str
    outcome: ToolOutcome
    seconds: float
    turn: int


ToolEvent = ToolBegun | ToolFinished
TurnEvent = TurnBegan | TurnEnded | TurnHeard | ModelAnswered
CallEvent = CallBegan | Remembered | CallEnded | TurnEvent | ToolEvent


class Observer(Protocol):
    """Somebody who watches calls. Must not block or raise."""

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note of an event."""


class Record(Protocol):
    """What is kept of one connection. Nothing here waits or raises.

    After `CallEnded` another `CallBegan` may follow: another session on the same socket.
    """

    def note(self, call: CallData, event: CallEvent) -> None:
        """Keep an event."""

    def secure(self, call: CallData, event: TurnEnded) -> None:
        """Keep the end of a turn, and have it on disk when this returns: its last frame is next.

        The event is told by `note` again, perhaps with another outcome.
        """

    def heard(self, call: CallData, message: Inbound) -> None:
        """Keep a message from Millis."""

    def sent(self, call: CallData, message: Outbound) -> None:
        """Keep a message that goes to Millis now."""


class NoRecord:
    """Keeps nothing."""

    def note(self, call: CallData, event: CallEvent) -> None:
        """Forget it."""

    def secure(self, call: CallData, event: TurnEnded) -> None:
        """Forget it."""

    def heard(self, call: CallData, message: Inbound) -> None:
        """Forget it."""

    def sent(self, call: CallData, message: Outbound) -> None:
        """Forget it."""
