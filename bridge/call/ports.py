"""What a call needs from the rest of the house, as small protocols, and the data they exchange."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from bridge.call.events import CallData, ModelAnswered
from bridge.call.history import Item
from bridge.call.ledger import Identify, ToolOutcome, ToolUse
from bridge.errors import BridgeError
from bridge.protocol import Outbound

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Brief:
    """What one reply is to answer."""

    call: CallData
    history: tuple[Item, ...]
    """Oldest first, with the deeds in their places; empty for the opening of the call."""
    memory: str = ""
    """What was said and done in an earlier call: JSON, and hostile data. Empty for none."""
    kept: dict[str, Any] = field(default_factory=dict)
    """The agent's own, to find again in the next reply of the same call."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something done to the line rather than said."""

    kind: Literal["end_call", "transfer_call"]
    destination: str = ""
    """Number to transfer to; from the settings, never from the model."""


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
    def turn(self) -> int:
        """Number of the reply in its call."""

    @property
    def sent(self) -> int:
        """Characters of the model's own words that have been passed on in this reply."""

    def asking(self, model: str) -> AbstractContextManager[None]:
        """The model is asked for a message, for as long as this is open."""

    def model_began(self) -> None:
        """The model has given its first sign of life."""

    def model_answered(self, message: ModelAnswered) -> None:
        """A message of the model's is complete."""

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

    async def certain(self) -> None:
        """Wait until Millis has asked for this reply; before that nothing is done for good."""

    def same_use(self, name: str, identity: str, identify: Identify) -> ToolUse | None:
        """An equal use of a tool, running or done, that the caller knows nothing of yet.

        `identify` finds the identity of those that were read from the record.
        """

    def read(self, use: ToolUse) -> None:
        """The model reads the result of an equal use."""

    def start_tool(
        self,
        run: Callable[[ToolUse], Coroutine[Any, Any, T]],
        *,
        name: str,
        arguments: Mapping[str, Any],
        identity: str | None,
        filler: str,
        policy: str = "",
        limit: float = 0.0,
    ) -> asyncio.Task[T]:
        """Note the use of a tool, and run it in a task that the call owns.

        `policy`: how it is treated, in words. `limit`: seconds after which it will have ended by
        itself.
        """

    def finish_tool(self, use: ToolUse, result: str, outcome: ToolOutcome, seconds: float) -> None:
        """Note how the use of a tool ended, also after an interrupt."""

    async def ask(self, use: ToolUse, question: str) -> None:
        """Ask the caller whether this may be done, as the last words of the reply."""

    def agreed(self, name: str, identity: str) -> bool:
        """Whether this reply answers a yes to that question about an equal use; true once."""

    def request(self, action: Action) -> None:
        """Do this to the line after the last word, unless the caller speaks before.

        Raises:
            ToolError: the caller has spoken already.
        """


class Agent(Protocol):
    """Whoever finds the words."""

    async def reply(self, brief: Brief, voice: Voice) -> None:
        """Answer through `voice`. Returning means the reply is complete.

        Raises:
            AgentError: there is no answer, or only a part of one.
        """

    async def warm(self, brief: Brief) -> None:
        """Do ahead of a reply what can be done without its words: connect, above all. Never fails.

        `brief` has no history, and the memory of an earlier call only if that is known already.
        """


class Line(Protocol):
    """The caller's side of the socket, as a call sees it."""

    def cut(self) -> None:
        """Close it at once: another socket has taken over the call."""

    @property
    def ready(self) -> bool:
        """Whether the peer has read all there was: then a message can be `put`."""

    def put(self, message: Outbound) -> None:
        """Put one message on the wire, now.

        Raises:
            CallClosed: the peer is gone.
        """

    async def send(self, message: Outbound) -> None:
        """Put one message on the wire: in order, and before this first waits.

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

    def lines(self, name: str, call: CallData) -> tuple[str, ...]:
        """The texts of a prompt, line by line: `fillers`, `silence`, `goodbye`, `transfer`."""
