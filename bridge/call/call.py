"""One phone call: it routes what Millis says, owns the turns and the tools, and never waits."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from bridge.call.ahead import Drafts
from bridge.call.deadair import Fillers
from bridge.call.delivery import Manner
from bridge.call.farewell import Farewells
from bridge.call.history import history, trimmed
from bridge.call.ledger import Entry, Ledger, ToolUse
from bridge.call.ports import (
    Action,
    Brief,
    CallData,
    CallEvent,
    Line,
    TurnEnded,
    Voice,
)
from bridge.call.quiet import Quiet
from bridge.call.setup import CallSetup
from bridge.call.toolruns import ToolRuns
from bridge.call.turn import Reply, Silence, Turn, TurnSetup
from bridge.errors import CallClosed
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
    end_of_stream,
    words,
)

_log = structlog.get_logger(__name__)


_PARTINGS: Mapping[str, str] = {"end_call": "goodbye", "transfer_call": "transfer"}
"""The prompt with the last words before an action, if the model has none."""


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
        self._lost: frozenset[Entry] = frozenset()
        """Turns of this call on sockets that are gone."""
        self._gave_way = False
        self._fillers = Fillers(lambda: setup.prompts().lines("fillers", self._data))
        self._farewells = Farewells(line, setup.goodbye_timeout)
        self._quiet = Quiet(
            setup.silence_after,
            ladder=lambda: setup.prompts().lines("silence", self._data),
            speak=self._break_silence,
            busy=self._is_busy,
        )
        self._take_ledger(Ledger())

    @property
    def data(self) -> CallData:
        """What Millis said about the call."""
        return self._data

    def hear(self, message: Inbound) -> None:
        """Act on one message from Millis."""
        if self._gave_way:
            return
        match message:
            case StartCall(data=data):
                self._begin(data)
            case StreamRequest(data=data):
                self._quiet.spoke()
                self._answer(data)
            case Interrupt(stream_id=stream_id):
                self._quiet.spoke()
                self._interrupt(stream_id)
            case PartialTranscript(data=data):
                if data.transcript.strip():
                    self._quiet.spoke()
                    self._drafts.hear(data, free=self._is_free())
            case PlaybackFinished(data=data):
                self._played(int(data.stream_id))

    def give_way(self) -> None:
        """Another socket has taken over the session: say no more, and hang up this one."""
        self._gave_way = True
        self._fall_silent("hung_up")
        self._line.cut()

    async def close(self) -> None:
        """End the call. When this returns, no task of it is alive."""
        self._fall_silent("hung_up")
        self._setup.sessions.release(self, self._data.session_id)
        await self._quiet.stopped()
        await self._farewells.stopped()
        for turn in self._retired:
            await turn.stopped()
        await self._tools.finish(self._setup.tool_grace)

    # ── routing ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, data: StartCallData) -> None:
        if self._started and data.session_id == self._data.session_id:
            return  # told twice
        self._drafts.forget()
        if self._started:
            self._start_over()
        under_way = self._newest is not None
        self._started = True
        self._data = self._call_data(data)
        kept = self._setup.sessions.claim(self, data.session_id)
        if kept is not None:
            self._resume(kept, under_way=under_way)
        if data.stream_id is None or under_way:
            return  # the conversation is under way: no greeting any more
        self._newest = int(data.stream_id)
        greet = _say_nothing if kept and kept.entries else self._greet
        self._speak(data.stream_id, greet, (), if_empty=lambda: "")

    def _resume(self, kept: Ledger, *, under_way: bool) -> None:
        """Go on where a socket that was lost has left off."""
        self._lost = frozenset(kept.entries)
        if under_way:
            self.ledger.follow(kept)
        else:
            self._take_ledger(kept)

    def _start_over(self) -> None:
        """Another session on the same socket: another conversation."""
        self._fall_silent("superseded")
        self._setup.sessions.release(self, self._data.session_id)
        self._newest = self._turn = None
        self._lost = frozenset()
        self._take_ledger(Ledger())

    def _take_ledger(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._drafts = Drafts(self._setup.think_ahead, ledger, self._think_ahead, self._setup.ahead)

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
        number, digest = int(data.stream_id), hash(data.transcript)
        if self._is_old(number, digest):
            return
        self._newest = number
        self._farewells.withdraw(self._last_entry())
        last, before = self._last_entry(), self.ledger.answered(digest)
        if last is not None and last.digest != digest:
            self.ledger.heard(last)
        self._silence("superseded")
        if before in self._lost and before.can_be_repeated:
            self._say_again(before, data)
        elif (draft := self._drafts.take(data.transcript)) is not None:
            self._promote(draft, data)
        else:
            self._speak(data.stream_id, self._reply_to(data.transcript), data.transcript)

    def _is_old(self, number: int, digest: int) -> bool:
        """Whether a request was answered already on this socket, or is overtaken."""
        again = self.ledger.find(number)
        if self._newest is not None and number < self._newest:
            reason = "stale"
        elif again is None or again.digest is None or again in self._lost:
            return False  # new, or the greeting had this id
        elif again.over and again.digest != digest:
            return False  # another question
        else:
            reason = "duplicate"
        self._setup.dropped[reason] += 1
        return True

    def _say_again(self, before: Entry, data: StreamRequestData) -> None:
        """An answer went out whole on a socket that was lost: it may never have been heard."""
        self._drafts.forget()
        said = "" if before.played else before.said
        self._speak(
            data.stream_id, partial(_repeat, said), data.transcript, tells=tuple(before.tells)
        )

    def _interrupt(self, stream_id: int | str | None) -> None:
        turn = self._turn
        if turn is None or turn.stream_id is None:
            return
        if stream_id is None or int(stream_id) == int(turn.stream_id):
            self._farewells.withdraw(self._last_entry())
            self._silence("interrupted")

    def _played(self, stream_id: int) -> None:
        entry = self.ledger.find(stream_id)
        if entry is None:
            return
        entry.played = entry.whole and not entry.cut
        self.ledger.heard(entry)
        if entry is not self._last_entry() or not entry.whole or entry.cut:
            return  # old news, or the end of a part of it
        if not self._farewells.heard(entry):
            self._quiet.begin()

    # ── turns ────────────────────────────────────────────────────────────────────────────────────

    def _is_free(self) -> bool:
        """Whether nothing is being said or done, or waits to be done."""
        return (self._turn is None or self._turn.done) and not self._is_busy()

    def _is_busy(self) -> bool:
        return self.ledger.running or self._farewells.pending

    def _last_entry(self) -> Entry | None:
        return self._turn.entry if self._turn is not None else None

    async def _greet(self, voice: Voice) -> None:
        match self._setup.greeting:
            case "template":
                await voice.announce(self._setup.prompts().greeting(self._data))
            case "model":
                await self._setup.agent().reply(Brief(self._data, ()), voice)
            case "off":
                pass

    def _reply_to(self, transcript: tuple[Utterance, ...]) -> Reply:
        if not transcript or transcript[-1].role != "user":
            return _say_nothing  # there is nothing to answer: the caller is asked again
        items = trimmed(history(transcript, self.ledger.entries), self._setup.history_tokens)
        return partial(self._setup.agent().reply, Brief(self._data, items))

    def _speak(
        self,
        stream_id: int | str,
        reply: Reply,
        transcript: tuple[Utterance, ...],
        *,
        if_empty: Callable[[], str] | None = None,
        tells: Sequence[ToolUse] = (),
    ) -> None:
        self._silence("superseded")
        self._turn = self._new_turn(stream_id, reply, transcript, if_empty=if_empty)
        self._turn.entry.tells += tells

    def _think_ahead(self, expected: tuple[Utterance, ...]) -> Turn:
        return self._new_turn(None, self._reply_to(expected), expected)

    def _promote(self, draft: Turn, data: StreamRequestData) -> None:
        self.ledger.promote(draft.entry, int(data.stream_id), data.transcript)
        self._turn = draft
        draft.promote(data.stream_id)

    def _new_turn(
        self,
        stream_id: int | str | None,
        reply: Reply,
        transcript: tuple[Utterance, ...],
        *,
        if_empty: Callable[[], str] | None = None,
    ) -> Turn:
        setup = TurnSetup(
            line=self._line,
            tools=self._tools,
            ledger=self.ledger,
            fillers=self._fillers,
            tell=self._tell,
            act=self._act,
            apology=lambda: self._setup.prompts().apology(self._data),
            parting=self._parting,
            manner=Manner(
                self._setup.lexicon(), self._setup.flush_first_clause, self._setup.max_answer_chars
            ),
            patience=self._setup.patience,
            timeout=self._setup.turn_timeout,
        )
        entry = self.ledger.open(None if stream_id is None else int(stream_id), transcript)
        ask_again = partial(self._setup.prompts().reprompt, self._data)
        turn = Turn(stream_id, reply, setup, entry=entry, if_empty=if_empty or ask_again)
        self._retired = {turn for turn in self._retired if not turn.done} | {turn}
        return turn

    def _silence(self, why: Silence) -> None:
        if self._turn is not None:
            self._turn.silence(why)

    def _fall_silent(self, why: Silence) -> None:
        """Nothing more is said or done in this conversation, on this socket."""
        self._drafts.forget()
        self._farewells.withdraw(self._last_entry())
        self._quiet.spoke()
        self._silence(why)

    # ── what is done to the line ─────────────────────────────────────────────────────────────────

    def _act(self, turn: Turn, action: Action) -> None:
        assert turn.stream_id is not None  # noqa: S101 - it has been spoken
        self._farewells.bid(turn.stream_id, turn.entry, action, turn.entry.said)

    def _parting(self, action: Action) -> str:
        """What is said before an action if the model says nothing."""
        lines = self._setup.prompts().lines(_PARTINGS[action.kind], self._data)
        return " ".join(lines)

    async def _break_silence(self, line: str, last: bool) -> None:
        turn = self._turn
        if turn is None or turn.stream_id is None:
            return
        turn.entry.said += f" {line}"
        turn.entry.played = False
        with contextlib.suppress(CallClosed):
            await self._line.send(words(turn.stream_id, line, flush=True))
            await self._line.send(end_of_stream(turn.stream_id))
        if last:
            self._farewells.bid(turn.stream_id, turn.entry, Action("end_call"), line)

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


async def _repeat(said: str, voice: Voice) -> None:
    """Say again what was lost with a socket: without the model, and without its tools."""
    await voice.announce(said)
