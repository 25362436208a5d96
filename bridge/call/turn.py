"""One reply: the part that may be cancelled and the part that must happen, in different tasks.

One task with `finally` would lose the ending: a task cancelled before its first step never runs its
`finally`, and an interrupt that lands while the ending is being sent loses it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import structlog

from bridge.call.account import Account
from bridge.call.deadair import Company, Fillers, Patience
from bridge.call.delivery import Delivery, Manner, now
from bridge.call.events import (
    CallEvent,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
    TurnOutcome,
)
from bridge.call.farewell import withdrawn
from bridge.call.ledger import Entry, Identify, Ledger, ToolOutcome, ToolUse, plain, user_lines
from bridge.call.notes import BROKEN_OFF, WITHDRAWN
from bridge.call.ports import Action, AnswerFull, Line, Voice
from bridge.call.questions import take_answer
from bridge.call.spans import Span
from bridge.call.toolruns import ToolRuns
from bridge.call.waits import Waits
from bridge.errors import AgentError, CallClosed, ToolError, let_frames_go
from bridge.whose import whose

T = TypeVar("T")

Reply = Callable[[Voice], Awaitable[None]]
Silence = Literal["interrupted", "superseded", "hung_up", "dropped"]

_CANCEL_AGAIN = 0.05
"""Seconds after which a reply that swallowed its cancellation is cancelled again (on Python 3.11
`asyncio.wait_for`, which many libraries use, can lose one: cpython #86296)."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TurnSetup:
    """What every turn of a call shares."""

    line: Line
    tools: ToolRuns
    ledger: Ledger
    fillers: Fillers
    account: Account
    act: Callable[["Turn", Action], None]
    """Carry out what a turn wants done to the line, once it has been sent to its end."""
    apology: Callable[[], str]
    parting: Callable[[Action], str]
    """What to say before an action if the model says nothing."""
    manner: Callable[[], Manner]
    """How replies are spoken now: the lexicon may be another by the next."""
    patience: Patience
    timeout: float
    """Seconds a reply may take, tools included."""


class Turn:
    """One reply. `_speaking` may be cancelled at any moment; `_ending` never is.

    Constructing a turn starts it, so there is no "not yet started" to handle. As long as the socket
    lives, exactly one `end_of_stream` is sent, last, unless the turn is silenced: then nothing more
    is sent at all. A turn without a stream was begun ahead of the request: its words are held until
    it is promoted, and nothing with side effects is done.
    """

    def __init__(
        self,
        stream_id: int | str | None,
        reply: Reply,
        setup: TurnSetup,
        *,
        entry: Entry,
        if_empty: Callable[[], str],
    ) -> None:
        self.stream_id = stream_id
        self.entry = entry
        self._setup = setup
        self._if_empty = if_empty
        self._delivery = Delivery(setup.line, setup.manner(), stream_id)
        self._silence: Silence | None = None
        self._broken_off = self._late = False
        self._waits = Waits(self._delivery)
        self._action: Action | None = None
        self._decided = asyncio.Event()
        """Set once Millis wants this reply, or never will."""
        self._early: list[CallEvent] | None = []
        """What happened before Millis asked: told once it does, else never. None: it is told."""
        self._silent_since: float | None = None
        self._company = Company(self._delivery, setup.patience, setup.fillers)
        account = setup.account
        self._span = account.span.turn(account.data, entry.number, lambda: self._question)
        self._message_span = self._span
        """Of the model's newest message: the tools that it asks for begin in it."""
        self._tool_spans: dict[str, Span] = {}
        with self._span.current():
            self._speaking = asyncio.create_task(self._speak(reply), name=f"speak {stream_id}")
        self._ending = asyncio.create_task(self._end(), name=f"end {stream_id}")
        if stream_id is not None:
            self._decided.set()
            # The model is asked first, and then the rest is done: a caller waits.
            asyncio.get_running_loop().call_soon(self._begin, stream_id)

    @property
    def done(self) -> bool:
        """Whether its tasks have ended."""
        return self._ending.done()

    @property
    def _stopping(self) -> bool:
        """Whether nothing more comes of what it does now."""
        return self._silence is not None or self._speaking.done()

    @property
    def failed(self) -> bool:
        """Whether the reply has broken down already."""
        speaking = self._speaking
        return speaking.done() and (speaking.cancelled() or speaking.exception() is not None)

    def promote(self, stream_id: int | str) -> None:
        """Millis has asked for what was begun ahead: speak it, under this stream."""
        self.stream_id = stream_id
        self._waits.begin_anew()
        self._delivery.release(stream_id)
        self._span.promoted()
        self._decided.set()
        self._begin(stream_id, ahead=True)

    def _begin(self, stream_id: int | str, *, ahead: bool = False) -> None:
        """Tell that Millis waits for it, and keep the caller company."""
        entry = self.entry
        self._setup.ledger.forget_before(entry)
        began = TurnBegan(stream_id, entry.number, self._question, entry.place, ahead)
        early, self._early = self._early or [], None
        for event in (began, *early):
            self._setup.account.tell(event)
        self._company.begin()

    @property
    def _question(self) -> str:
        """The caller's line that it answers."""
        return (user_lines(self.entry.transcript) or [""])[-1]

    def _tell(self, event: CallEvent) -> None:
        if self._early is None:
            self._setup.account.tell(event)
        else:
            self._early.append(event)

    # ── stopping ─────────────────────────────────────────────────────────────────────────────────

    def silence(self, why: Silence) -> None:
        """From now on nothing leaves. The fence stands when this returns; the work stops soon."""
        if self._ending.done():
            if why == "interrupted" and not self.entry.played:
                self.entry.cut = True  # all was sent, but Millis was still playing it
        elif self._silence is None:
            self._silence, self._silent_since = why, now()
            self.entry.cut = why != "dropped"
            self._delivery.close()
            self.entry.said = self._delivery.said
            self._speaking.cancel()
            self._decided.set()

    def break_off(self) -> None:
        """Say no more than was said, and end the stream: the server stops."""
        if not self._stopping:
            self._broken_off = True
            self._delivery.drop_message()
            self._speaking.cancel()

    async def stopped(self) -> None:
        """Wait until the turn's tasks have ended, cancelling again what swallowed a cancel."""
        while not (await asyncio.wait({self._ending}, timeout=_CANCEL_AGAIN))[0]:
            gone = self._silence is not None or self._broken_off
            if gone and not self._speaking.done():
                _log.warning("reply ignored its cancellation", stream_id=self.stream_id)
                self._speaking.cancel()

    # ── what the agent may do: ports.Voice ───────────────────────────────────────────────────────

    @property
    def turn(self) -> int:
        """Number of the reply in its call."""
        return self.entry.number

    @contextlib.contextmanager
    def asking(self, model: str) -> Iterator[None]:
        """The model is asked for a message, for as long as this is open."""
        self._waits.model_asked()
        span = self._message_span = self._span.model(model)
        try:
            with span.current():
                yield
        except AgentError as error:
            span.fail(error.kind)
            raise
        finally:
            span.drop()  # unless it has ended

    def model_began(self) -> None:
        """A message of the model's has given its first sign of life."""
        self._waits.model_began()

    def model_answered(self, message: ModelAnswered) -> None:
        """A message of the model's is complete."""
        self._message_span.end(self._setup.account.data, message)
        self._tell(message)

    @property
    def sent(self) -> int:
        """Characters of the model's own words that have left, or are held for the caller."""
        return self._delivery.sent

    async def say(self, text: str) -> None:
        """Speak these words of the model's message as they come."""
        if self.entry.knows and text.strip():
            self.entry.speaks()
        await self._delivery.say(text)

    async def finish_message(self, *, wait_follows: bool = False) -> None:
        """Speak what was held back of the message; at once if a wait follows it."""
        await self._delivery.finish_message(wait_follows=wait_follows)

    def drop_message(self) -> None:
        """Forget what was held back of a message that failed."""
        self._delivery.drop_message()

    async def announce(self, text: str) -> None:
        """Speak a whole text of its own, now, beside the model's message."""
        self._delivery.announced = True
        await self._announce(text)

    async def _announce(self, text: str) -> None:
        self._waits.announced()
        await self._delivery.announce(text)

    async def certain(self) -> None:
        """Wait until the turn is one that Millis has asked for, and still wants.

        Where it does not, the wait ends with the cancellation that is on its way.
        """
        await self._decided.wait()
        if self._silence is not None:
            await asyncio.Event().wait()

    def same_use(self, name: str, identity: str, identify: Identify) -> ToolUse | None:
        """An equal use of a tool that the caller knows nothing of yet."""
        return self._setup.ledger.same_use(name, identity, identify)

    def read(self, use: ToolUse) -> None:
        """The model reads the result of an equal use."""
        self.entry.knows.append(use)

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
        """Note the use of a tool, and run it in a task that the call owns."""
        use = self._setup.ledger.use(self.entry, name, arguments, identity)
        if filler:
            self._company.tools[use.id] = filler
        begun = ToolBegun(use.id, name, arguments, self.turn, policy)
        self._tell(begun)
        span = self._tool_spans[use.id] = self._message_span.tool(begun)
        with span.current():
            use.task = task = self._setup.tools.start(run(use), limit)
        task.add_done_callback(lambda _: span.drop())  # unless it has ended: it never began
        return task

    def finish_tool(self, use: ToolUse, result: str, outcome: ToolOutcome, seconds: float) -> None:
        """Note how the use of a tool ended, also after an interrupt."""
        use.result, use.outcome, use.task = result, outcome, None
        use.late = self._stopping
        if not use.late:
            self.entry.knows.append(use)
        self._company.tools.pop(use.id, None)
        if self._stopping:
            withdrawn(self.entry)  # it may have asked for an action just before
        finished = ToolFinished(use.id, use.name, result, outcome, seconds, self.turn)
        self._tell(finished)
        self._tool_spans.pop(use.id).end(self._setup.account.data, finished)

    async def ask(self, use: ToolUse, question: str) -> None:
        """Ask the caller whether this may be done, as the last words of the reply."""
        before = len(self._delivery.said)
        await self.announce(question)
        use.question, use.asked_at = plain(self._delivery.said[before:]), now()

    def agreed(self, name: str, identity: str) -> bool:
        """Whether this reply answers a yes to that question about an equal use; true once."""
        return take_answer(self._setup.ledger.entries, self.entry, name, identity, now())

    def request(self, action: Action) -> None:
        """Do this to the line after the last word, unless the caller speaks before.

        Raises:
            ToolError: the turn is silenced or over: nothing comes after it.
        """
        if self._stopping:
            raise ToolError(WITHDRAWN)
        self._action = action

    # ── the tasks ────────────────────────────────────────────────────────────────────────────────

    def _sign_logs(self) -> None:
        """Have every log line of this task, and of those it starts, say whose it is."""
        names = {"session": self._setup.account.data.session_id, "turn": self.turn}
        if self.stream_id is not None:
            names["stream_id"] = self.stream_id
        whose.set(names)

    async def _speak(self, reply: Reply) -> None:
        self._sign_logs()
        with contextlib.suppress(AnswerFull):
            await reply(self)
            await self.finish_message()

    async def _end(self) -> None:
        self._sign_logs()
        limit: float | None = self._setup.timeout
        while not (await asyncio.wait({self._speaking}, timeout=limit))[0]:
            self._late, limit = True, _CANCEL_AGAIN
            self._speaking.cancel()
        await self._decided.wait()
        await self._company.stop()
        failure = self._failure()
        if self._silence is None:
            with contextlib.suppress(CallClosed):
                await self._conclude(failure)
        self._record(failure)

    async def _conclude(self, failure: str | None) -> None:
        self.entry.failed = failure is not None
        if failure is not None:
            self._action = None  # the apology asks the caller to say it again
            withdrawn(self.entry, BROKEN_OFF)
        try:
            if text := self._last_words(failure):
                await self._announce(text)
        finally:
            await self._send_ending(failure)
        if self._action is not None and self._silence is None:
            self._setup.act(self, self._action)

    def _last_words(self, failure: str | None) -> str:
        """What the bridge has to say itself, because the model did not."""
        if failure == "server_stopped":
            return ""  # to be asked to say it again, by a line that goes dead, would help nobody
        if failure is not None:
            return self._setup.apology()
        if self._delivery.sent or self._delivery.announced:
            return ""
        return self._setup.parting(self._action) if self._action is not None else self._if_empty()

    async def _send_ending(self, failure: str | None) -> None:
        await self._delivery.finish()
        if self._silence is not None:
            return
        # Noted first: Millis may report the end of playback while the socket holds up this task.
        self.entry.said, self.entry.whole = self._delivery.said, True
        self._secure(failure)
        try:
            await self._delivery.end()
        except CallClosed:
            self.entry.whole = False
            raise

    def _secure(self, failure: str | None) -> None:
        """Have the turn on record: what Millis knows to be over must not be lost."""
        if self.stream_id is not None:
            self._setup.account.secure(self._ended(self.stream_id, failure))

    def _record(self, failure: str | None) -> None:
        self.entry.said, self.entry.over = self._delivery.said, True
        if self.stream_id is None:
            self._span.drop()
            return
        ended = self._ended(self.stream_id, failure)
        self._tell(ended)
        self._span.end(self._setup.account.data, ended)

    def _ended(self, stream_id: int | str, failure: str | None) -> TurnEnded:
        delivery, waits = self._delivery, self._waits
        return TurnEnded(
            stream_id,
            self.turn,
            self._outcome(failure),
            delivery.said,
            first_word=waits.first_word,
            first_token=waits.first_token,
            first_frame=waits.first_frame,
            last_frame=waits.last_frame,
            failure=failure,
            own=waits.own,
            stopped=None if self._silent_since is None else now() - self._silent_since,
            fillers=self._company.spoken,
            unspoken=delivery.unspoken,
        )

    def _failure(self) -> str | None:
        """What went wrong, as a word from a fixed set; logs what nobody else has."""
        try:
            found = self._speaking.exception()
        except asyncio.CancelledError:  # taken out of the task: it would keep all of the turn alive
            if self._silence is not None:
                return None
            if self._late:
                return "turn_timeout"
            return "server_stopped" if self._broken_off else "cancelled"
        try:
            return self._named(found)
        finally:
            let_frames_go(found)

    def _named(self, found: BaseException | None) -> str | None:
        match found:
            case None | CallClosed():
                return None
            case AgentError() as error:
                _log.debug("reply failed", stream_id=self.stream_id, exc_info=error)
                return error.kind
            case error:
                _log.error("reply broke", stream_id=self.stream_id, exc_info=error)
                return "bug"

    def _outcome(self, failure: str | None) -> TurnOutcome:
        if self._delivery.hung_up:
            return "hung_up"
        if self._silence is not None:
            return self._silence
        if failure is not None:
            return "failed"
        return "complete" if self._delivery.said.strip() else "empty"
