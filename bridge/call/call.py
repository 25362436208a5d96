"""One phone call: it routes what Millis says, owns the turns and the tools, and never waits."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog

from bridge.call.ports import (
    Agent,
    Brief,
    CallData,
    CallEvent,
    Line,
    Observer,
    Prompts,
    TurnEnded,
    Voice,
)
from bridge.call.toolruns import ToolRuns
from bridge.call.turn import Silence, Turn, TurnSetup
from bridge.protocol import (
    Inbound,
    Interrupt,
    PartialTranscript,
    PlaybackFinished,
    StartCall,
    StartCallData,
    StreamRequest,
    StreamRequestData,
    Utterance,
)
from bridge.speech import Lexicon

_log = structlog.get_logger(__name__)

Greeting = Literal["template", "model", "off"]
Reply = Callable[[Voice], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CallSetup:
    """What every call of a bridge shares. The callables give what is loaded now."""

    agent: Callable[[], Agent]
    prompts: Callable[[], Prompts]
    lexicon: Callable[[], Lexicon]
    observe: Observer
    greeting: Greeting = "template"
    include_metadata_in_prompt: bool = False
    turn_timeout: float = 60.0
    max_answer_chars: int = 4000
    flush_first_clause: bool = True
    dropped: Counter[str] = field(default_factory=Counter)
    """Messages that were not acted on, by reason: here `duplicate` and `stale` requests."""
    tool_grace: float = 30.0
    """Seconds that tools may go on after the caller has hung up."""


class Call:
    """One phone call, from connect to hang-up.

    `hear` only routes: a message starts, replaces or silences a turn and returns at once, so that
    an interrupt can always be heard.
    """

    def __init__(self, line: Line, setup: CallSetup) -> None:
        self._line = line
        self._setup = setup
        self._data = CallData(include_metadata_in_prompt=setup.include_metadata_in_prompt)
        self._started = False
        self._tools = ToolRuns()
        self._turn: Turn | None = None
        self._retired: set[Turn] = set()
        self._newest: int | None = None
        self._asked: tuple[Utterance, ...] | None = None
        """What the newest stream answers; None if it is the greeting."""

    @property
    def data(self) -> CallData:
        """What Millis said about the call."""
        return self._data

    def hear(self, message: Inbound) -> None:
        """Act on one message from Millis."""
        match message:
            case StartCall(data=data):
                self._begin(data)
            case StreamRequest(data=data):
                self._answer(data)
            case Interrupt(stream_id=stream_id):
                self._interrupt(stream_id)
            case PlaybackFinished() | PartialTranscript():
                pass

    async def close(self) -> None:
        """End the call. When this returns, no task of it is alive."""
        self._silence("hung_up")
        for turn in self._retired:
            await turn.stopped()
        await self._tools.finish(self._setup.tool_grace)

    # ── routing ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, data: StartCallData) -> None:
        if self._started and data.session_id == self._data.session_id:
            return  # told twice
        another = self._started
        self._started = True
        self._data = self._call_data(data)
        if another:
            self._newest = self._asked = None
        elif self._newest is not None:
            return  # the conversation is under way: no greeting any more
        if data.stream_id is not None:
            self._newest = int(data.stream_id)
            self._speak(data.stream_id, self._greet, if_empty=lambda: "")

    def _call_data(self, data: StartCallData) -> CallData:
        return CallData(
            session_id=data.session_id,
            agent_id=data.agent_id,
            call_sid=data.call_sid,
            caller=data.voip.caller,
            called=data.voip.called,
            metadata=data.metadata,
            include_metadata_in_prompt=(
                data.include_metadata_in_prompt or self._setup.include_metadata_in_prompt
            ),
        )

    def _answer(self, data: StreamRequestData) -> None:
        number = int(data.stream_id)
        if self._newest is not None and number <= self._newest and self._is_old(number, data):
            return
        self._newest = number
        self._asked = data.transcript
        if data.transcript and data.transcript[-1].role == "user":
            brief = Brief(self._data, data.transcript)
            reply: Reply = partial(self._setup.agent().reply, brief)
        else:
            reply = _say_nothing  # there is nothing to answer: the caller is asked again
        self._speak(
            data.stream_id, reply, if_empty=lambda: self._setup.prompts().reprompt(self._data)
        )

    def _is_old(self, number: int, data: StreamRequestData) -> bool:
        if number != self._newest:
            reason = "stale"
        elif self._asked is None:
            return False  # the greeting had this id
        elif data.transcript != self._asked and (self._turn is None or self._turn.done):
            return False
        else:
            reason = "duplicate"
        self._setup.dropped[reason] += 1
        return True

    def _interrupt(self, stream_id: int | str | None) -> None:
        if stream_id is None or (self._turn and int(stream_id) == int(self._turn.stream_id)):
            self._silence("interrupted")

    # ── turns ────────────────────────────────────────────────────────────────────────────────────

    async def _greet(self, voice: Voice) -> None:
        match self._setup.greeting:
            case "template":
                await voice.announce(self._setup.prompts().greeting(self._data))
            case "model":
                await self._setup.agent().reply(Brief(self._data, ()), voice)
            case "off":
                pass

    def _speak(
        self,
        stream_id: int | str,
        reply: Reply,
        *,
        if_empty: Callable[[], str],
    ) -> None:
        self._silence("superseded")
        self._retired = {turn for turn in self._retired if not turn.done}
        setup = TurnSetup(
            line=self._line,
            tools=self._tools,
            tell=self._tell,
            apology=lambda: self._setup.prompts().apology(self._data),
            timeout=self._setup.turn_timeout,
            max_chars=self._setup.max_answer_chars,
            lexicon=self._setup.lexicon(),
            flush_first_clause=self._setup.flush_first_clause,
        )
        self._turn = Turn(stream_id, reply, setup, if_empty=if_empty)

    def _silence(self, why: Silence) -> None:
        if self._turn is not None:
            self._turn.silence(why)
            self._retired.add(self._turn)

    def _tell(self, event: CallEvent) -> None:
        if isinstance(event, TurnEnded):
            _log.info(
                "turn ended",
                session=self._data.session_id,
                stream_id=event.stream_id,
                outcome=event.outcome,
                failure=event.failure,
                chars=len(event.said),
                first_word_ms=event.first_word and round(event.first_word * 1000, 1),
            )
        self._setup.observe(self._data, event)


async def _say_nothing(voice: Voice) -> None:
    """Leave the reply empty."""
