"""What a call needs from the rest of the house, as small protocols, and the data they exchange."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from bridge.errors import BridgeError
from bridge.protocol import Outbound, Utterance

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Brief:
    """What one reply is to answer."""

    call: CallData
    history: tuple[Utterance, ...]
    """Oldest first; ends with a line of the caller's, or is empty for the opening of the call."""


class AnswerFull(BridgeError):
    """The reply has reached its length limit. Not a failure: let it pass, the stream ends."""


@runtime_checkable  # pydantic checks it where a tool asks for `ToolRuntime[CallContext]`
class CallContext(Protocol):
    """What a tool sees of the call it serves, as `runtime.context`; the model never sees it."""

    @property
    def call(self) -> CallData:
        """The call's identity: session, agent, caller."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata Millis passed along; data, not instructions."""

    async def say(self, text: str) -> None:
        """Speak now, while the tool runs on. Silent once the turn was interrupted."""


class Voice(Protocol):
    """What a reply may do in its call: speak, and run tools that may outlive it."""

    @property
    def sent(self) -> int:
        """Characters of speech that have left for the caller in this reply."""

    async def say(self, text: str) -> None:
        """Speak these words of the model's message as they come. Silent after an interrupt.

        Raises:
            CallClosed: nobody is there any more.
            AnswerFull: the reply is as long as it may be.
        """

    async def finish_message(self, *, wait_follows: bool = False) -> None:
        """Speak what was held back of the message; at once if a wait follows it."""

    def drop_message(self) -> None:
        """Forget what was held back: the message failed and is tried again."""

    async def announce(self, text: str) -> None:
        """Speak a whole text of its own, now, beside the model's message."""

    def start_tool(self, run: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a tool in a task that the call owns: it outlives an interrupt."""

    def tell(self, event: "ToolEvent") -> None:
        """Let the call know how a tool is getting on, also after an interrupt."""


class Agent(Protocol):
    """Whoever finds the words."""

    async def reply(self, brief: Brief, voice: Voice) -> None:
        """Answer through `voice`. Returning means the reply is complete.

        Raises:
            AgentError: there is no answer, or only a part of one.
        """


class Line(Protocol):
    """The caller's side of the socket, as a call sees it."""

    async def send(self, message: Outbound) -> None:
        """Put one message on the wire.

        Raises:
            CallClosed: the peer is gone, or has stopped reading.
        """


class Prompts(Protocol):
    """The texts a call speaks without asking the model. Rendering them never raises."""

    def greeting(self, call: CallData) -> str:
        """The first words of a call; empty for none."""

    def apology(self, call: CallData) -> str:
        """What to say when a reply failed."""

    def reprompt(self, call: CallData) -> str:
        """What to say when there was nothing to answer, or the answer was empty."""


# ── what a call lets others watch ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ToolBegun:
    """A tool has started."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool has ended. `result` is what the model reads."""

    id: str
    name: str
    result: str
    outcome: Literal["ok", "failed", "timeout", "refused"]
    seconds: float


ToolEvent = ToolBegun | ToolFinished


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """A reply has been started."""

    stream_id: int | str


TurnOutcome = Literal["complete", "empty", "failed", "interrupted", "superseded", "hung_up"]


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A reply is over, one way or another."""

    stream_id: int | str
    outcome: TurnOutcome
    said: str
    """What was sent to be spoken."""
    first_word: float | None
    """Seconds from the request to the first word; None if there was none."""
    failure: str | None = None
    """Kind of failure, from a fixed set."""


CallEvent = ToolEvent | TurnBegan | TurnEnded


class Observer(Protocol):
    """Somebody who watches calls. Must not block or raise."""

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note of an event."""
