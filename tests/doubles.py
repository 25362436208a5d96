"""Stand-ins for the two sides of a call: the line to Millis, and an agent with a script."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bridge.call.call import Call
from bridge.call.events import CallData, CallEvent, ModelAnswered, TurnEnded
from bridge.call.ledger import Identify, ToolOutcome, ToolUse
from bridge.call.ports import Action, Brief, Voice
from bridge.call.setup import CallSetup
from bridge.errors import CallClosed
from bridge.protocol import Inbound, Outbound, StreamResponse
from bridge.speech import Lexicon

K = TypeVar("K")
T = TypeVar("T")

APOLOGY = "Sorry, something went wrong."
REPROMPT = "Sorry, could you say that again?"
GREETING = "Hello!"
LINES = {
    "fillers": ("One moment.", "Still there?"),
    "silence": ("Hello?", "Bye!"),
    "goodbye": ("Goodbye!",),
    "transfer": ("Putting you through.",),
}


class Line:
    """Records what was sent; each send takes `ticks` of the event loop; may be hung up."""

    def __init__(self, ticks: int = 0) -> None:
        self.sent: list[Outbound] = []
        self.ticks = ticks
        self.hung_up = False

    @property
    def ready(self) -> bool:
        return not self.ticks

    def put(self, message: Outbound) -> None:
        if self.hung_up:
            raise CallClosed
        self.sent.append(message)

    async def send(self, message: Outbound) -> None:
        self.put(message)  # on the wire before the first wait, as in the real outbox
        for _ in range(self.ticks):
            await asyncio.sleep(0)

    def cut(self) -> None:
        self.hung_up = True

    def frames(self, stream_id: int | str) -> list[StreamResponse]:
        return [
            message
            for message in self.sent
            if isinstance(message, StreamResponse) and message.data.stream_id == stream_id
        ]

    def said(self, stream_id: int | str) -> str:
        return "".join(frame.data.content for frame in self.frames(stream_id))

    def endings(self, stream_id: int | str) -> int:
        return sum(frame.data.end_of_stream for frame in self.frames(stream_id))


Step = str | BaseException | int | asyncio.Event | Callable[[Voice], object]


class ScriptedAgent:
    """Says, waits (an int is that many ticks, an event is waited for) or raises, in order."""

    def __init__(self, *script: Step) -> None:
        self.script = script
        self.briefs: list[Brief] = []

    async def warm(self, brief: Brief) -> None:
        """It needs no connection."""

    async def reply(self, brief: Brief, voice: Voice) -> None:
        self.briefs.append(brief)
        for step in self.script:
            match step:
                case str():
                    await voice.say(step)
                case int():
                    for _ in range(step):
                        await asyncio.sleep(0)
                case asyncio.Event():
                    await step.wait()
                case BaseException():
                    raise step
                case _:
                    result = step(voice)
                    if asyncio.iscoroutine(result):
                        await result


class RecordingVoice:
    """Notes what a reply does."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.finished: list[bool] = []
        self.began = False
        self.answered: list[ModelAnswered] = []
        self.tools: list[tuple[str, ToolOutcome]] = []
        self.turn = 1

    @property
    def sent(self) -> int:
        return len("".join(self.said))

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def finish_message(self, *, wait_follows: bool = False) -> None:
        self.finished.append(wait_follows)

    def asking(self, model: str) -> AbstractContextManager[None]:
        return nullcontext()

    def model_began(self) -> None:
        self.began = True

    def model_answered(self, message: ModelAnswered) -> None:
        self.answered.append(message)

    def drop_message(self) -> None:
        raise AssertionError("a message failed")

    async def announce(self, text: str) -> None:
        self.said.append(text)

    async def certain(self) -> None:
        """It is."""

    def same_use(self, name: str, identity: str, identify: Identify) -> ToolUse | None:
        return None

    def read(self, use: ToolUse) -> None:
        raise AssertionError("there is no equal use")

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
        return asyncio.create_task(run(ToolUse("call_1", name, arguments, identity)))

    def finish_tool(self, use: ToolUse, result: str, outcome: ToolOutcome, seconds: float) -> None:
        use.result = result
        self.tools.append((use.name, outcome))

    async def ask(self, use: ToolUse, question: str) -> None:
        raise AssertionError("nothing was asked for")

    def agreed(self, name: str, identity: str) -> bool:
        return False

    def request(self, action: Action) -> None:
        raise AssertionError("nothing was asked for")


class Phrases:
    """The fixed texts of a call."""

    def greeting(self, call: CallData) -> str:
        return GREETING

    def apology(self, call: CallData) -> str:
        return APOLOGY

    def reprompt(self, call: CallData) -> str:
        return REPROMPT

    def lines(self, name: str, call: CallData) -> tuple[str, ...]:
        return LINES[name]


class Kept:
    """The record of one conversation, as it was told: each thing with whose it is."""

    def __init__(self) -> None:
        self.told: list[tuple[CallData, CallEvent | Inbound | Outbound | Secured]] = []

    def note(self, call: CallData, event: CallEvent) -> None:
        self.told.append((call, event))

    def secure(self, call: CallData, event: TurnEnded) -> None:
        self.told.append((call, Secured(event)))

    def heard(self, call: CallData, message: Inbound) -> None:
        self.told.append((call, message))

    def sent(self, call: CallData, message: Outbound) -> None:
        self.told.append((call, message))

    def of(self, kind: type[K]) -> list[K]:
        return [event for _, event in self.told if isinstance(event, kind)]


@dataclass(frozen=True)
class Secured:
    """A turn that had to be on record."""

    event: TurnEnded


@dataclass
class Room:
    """A call with a line and an agent, and everything that was noticed of it."""

    agent: ScriptedAgent
    line: Line = field(default_factory=Line)
    events: list[CallEvent] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    records: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.setup = CallSetup(
            agent=lambda: self.agent,
            prompts=Phrases,
            lexicon=Lexicon,
            observe=lambda _call, event: self.events.append(event),
            record=self._open_record,
            tool_grace=1.0,
            **self.settings,
        )

    def call(self) -> Call:
        return Call(self.line, self.setup)

    def _open_record(self) -> Kept:
        self.records.append(Kept())
        return self.records[-1]

    def ended(self) -> list[TurnEnded]:
        return [event for event in self.events if isinstance(event, TurnEnded)]


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Let the event loop run until something holds: tick by tick, and then as time goes by."""
    ticks = 0
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0 if ticks < 200 else 0.001)
            ticks += 1
