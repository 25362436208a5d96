"""One phone call: it routes what Millis says, owns the turns and the tools, and never waits."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bridge.call.account import Account, ToldLine
from bridge.call.ahead import Drafts
from bridge.call.deadair import Fillers
from bridge.call.delivery import Manner
from bridge.call.events import CallBegan, CallData, CallEnded, Ending, Remembered, TurnHeard
from bridge.call.farewell import Farewells
from bridge.call.heard import heard_of
from bridge.call.history import history, trimmed
from bridge.call.ledger import Entry, Ledger, ToolUse
from bridge.call.ports import Action, Brief, Line, Voice
from bridge.call.quiet import Quiet
from bridge.call.recall import Recall
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

_PARTINGS: Mapping[str, str] = {"end_call": "goodbye", "transfer_call": "transfer"}
"""The prompt with the last words before an action, if the model has none."""


class Call:
    """One phone call, from connect to hang-up.

    `hear` only routes: a message starts, replaces or silences a turn and returns at once, so that
    an interrupt can always be heard.
    """

    def __init__(self, line: Line, setup: CallSetup) -> None:
        self._setup = self._offered = setup
        data = CallData(
            persona=setup.persona, include_metadata_in_prompt=setup.include_metadata_in_prompt
        )
        self._account = Account(setup.record(), setup.observe, setup.trace(), data)
        self._line = ToldLine(line, self._account)
        self._started = False
        self._tools = ToolRuns()
        self._turn: Turn | None = None
        self._retired: tuple[Turn, ...] = ()
        self._newest: int | None = None
        self._lost: frozenset[Entry] = frozenset()
        """Turns of this call on sockets that are gone."""
        self._recall = Recall(
            setup.earlier,
            setup.memory_tokens,
            setup.continuation,
            resume=self._resume_late,
            remembered=lambda memory: self._account.tell(Remembered(memory.session_id)),
        )
        self._gave_way = self._over = False
        self._warming: asyncio.Task[None] | None = None
        """Opens a connection to the model while the caller speaks."""
        self._kept: dict[str, Any] = {}
        """What the agent keeps of the conversation from reply to reply."""
        self._fillers = Fillers(lambda: self._setup.prompts().lines("fillers", self.data))
        self._farewells = Farewells(self._line, setup.goodbye_timeout)
        self._quiet = Quiet(
            lambda: self._setup.silence_after,
            ladder=lambda: self._setup.prompts().lines("silence", self.data),
            speak=self._break_silence,
            busy=self._is_busy,
        )
        self._take_ledger(Ledger())

    @property
    def data(self) -> CallData:
        """What Millis said about the call."""
        return self._account.data

    def hear(self, message: Inbound) -> None:
        """Act on one message from Millis."""
        if self._gave_way or self._over:
            return
        if not isinstance(message, StartCall):
            self._account.heard(message)
        match message:
            case StartCall():
                self._begin(message)
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

    async def close(self, ending: Ending = "hung_up") -> Ending:
        """End the call, and say how it did. When this returns, no task of it is alive.

        `ending` is why the socket was closed, as far as the socket knows.
        """
        if self._gave_way:
            ending = "replaced"
        elif (action := self._farewells.acted) is not None:
            ending = "ended" if action.kind == "end_call" else "transferred"
        self._fall_silent("hung_up")
        self._setup.sessions.release(self, self.data.session_id)
        if (warming := self._warming) is not None:
            warming.cancel()
            await asyncio.wait({warming})
        await self._recall.stopped()
        await self._quiet.stopped()
        await self._farewells.stopped()
        for turn in self._retired:
            await turn.stopped()
        await self._tools.finish(self._setup.tool_grace)
        self._account.tell(CallEnded(ending))
        self._let_go()
        return ending

    async def break_off(self) -> None:
        """End the reply that is being given, to the end of its stream: the server stops."""
        if self._over:
            return
        self._drafts.forget()
        self._quiet.spoke()
        if (turn := self._turn) is not None:
            turn.break_off()
            await turn.stopped()

    def stop_tools(self) -> None:
        """Cancel the tools that still run: the server stops, and does not wait any longer."""
        self._tools.stop()

    def _let_go(self) -> None:
        """Forget the parts that know this call.

        Only the garbage collector would find it otherwise, with everything that was said, and that
        looks seldom (bridge/cli/litter.py).
        """
        self._over, self._turn, self._retired = True, None, ()
        del self._turns
        del self._line, self._recall, self._fillers, self._farewells, self._quiet, self._drafts

    # ── routing ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, message: StartCall) -> None:
        data = message.data
        told_twice = self._started and data.session_id == self.data.session_id
        if told_twice:
            self._account.heard(message)
            return
        self._drafts.forget()
        if self._started:
            self._start_over()
        under_way = self._newest is not None
        self._started = True
        self._account.data = self._call_data(data)
        if self._offered.choose is not None:
            self._setup = self._offered.choose(self.data)
            self._account.data = replace(self.data, persona=self._setup.persona)
            self._turns = self._turn_setup()
        self._warm()
        self._account.tell(CallBegan())
        self._account.heard(message)
        kept = self._setup.sessions.claim(self, data.session_id)
        self._recall.begin(self.data, known=kept is not None)
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

    def _resume_late(self, entries: Sequence[Entry]) -> None:
        """Go on where another process has left off: that is known only now."""
        self._resume(Ledger(entries), under_way=True)

    def _start_over(self) -> None:
        """Another session on the same socket: another conversation."""
        self._fall_silent("superseded")
        self._recall.forget()
        self._setup.sessions.release(self, self.data.session_id)
        self._account.tell(CallEnded("replaced"))
        setup = self._setup
        self._account = Account(setup.record(), setup.observe, setup.trace(), self.data)
        self._line.account = self._account
        self._newest = self._turn = None
        self._lost = frozenset()
        self._kept = {}
        self._take_ledger(Ledger())

    def _take_ledger(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._turns = self._turn_setup()
        self._drafts: Drafts = Drafts(
            self._setup.think_ahead, ledger, self._think_ahead, self._setup.ahead
        )

    def _call_data(self, data: StartCallData) -> CallData:
        return CallData(
            session_id=data.session_id,
            agent_id=data.agent_id,
            call_sid=data.call_sid,
            caller=data.voip.caller,
            called=data.voip.called,
            persona=self._setup.persona,
            metadata=data.metadata,
            continues=data.continues,
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
        heard = self._heard_before(data.transcript)
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
        if heard is not None:  # told when the model has been asked: a caller waits
            asyncio.get_running_loop().call_soon(self._account.tell, heard)

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
        turn, met = self._turn, self._setup.interrupts
        if turn is None or turn.stream_id is None or not _means(stream_id, turn.stream_id):
            met["nothing"] += 1
        else:
            met["playing" if turn.done else "speaking"] += 1
            self._farewells.withdraw(self._last_entry())
            self._silence("interrupted")
            self._warm()  # the connection that was cut off cannot be used again

    def _played(self, stream_id: int) -> None:
        entry = self.ledger.find(stream_id)
        if entry is None:
            return
        told_before = entry.played
        entry.played = entry.whole and not entry.cut
        if entry.played and not told_before:
            self._account.tell(heard_of(entry, ()))
        self.ledger.heard(entry)
        if entry is not self._last_entry() or not entry.whole or entry.cut:
            return  # old news, or the end of a part of it
        if not self._farewells.heard(entry):
            self._quiet.begin()

    def _heard_before(self, transcript: Sequence[Utterance]) -> TurnHeard | None:
        """How much the caller heard of the turn before, as the next request shows it."""
        last = self._last_entry()
        unknown = last is not None and last.said and not last.played
        return heard_of(last, transcript) if last is not None and unknown else None

    def _warm(self) -> None:
        if self._warming is None:
            brief = Brief(self.data, (), "", self._kept)
            self._warming = asyncio.create_task(self._setup.agent().warm(brief), name="warm")
            self._warming.add_done_callback(self._warmed)

    def _warmed(self, _: asyncio.Task[None]) -> None:
        self._warming = None

    # ── turns ────────────────────────────────────────────────────────────────────────────────────

    def _is_free(self) -> bool:
        """Whether nothing is being said or done, or waits to be done."""
        return (self._turn is None or self._turn.done) and not self._is_busy()

    def _is_busy(self) -> bool:
        return self.ledger.running or self._farewells.pending

    def _last_entry(self) -> Entry | None:
        return self._turn.entry if self._turn is not None else None

    async def _greet(self, voice: Voice) -> None:
        if self._setup.greeting == "off" or await self._recall.resumed():
            return
        if self._setup.greeting == "template":
            await voice.announce(self._setup.prompts().greeting(self.data))
        else:
            memory = await self._recall.memory()
            await self._setup.agent().reply(Brief(self.data, (), memory, self._kept), voice)

    def _reply_to(self, transcript: tuple[Utterance, ...]) -> Reply:
        if not transcript or transcript[-1].role != "user":
            return _say_nothing  # there is nothing to answer: the caller is asked again
        return partial(self._reply, transcript, tuple(self.ledger.entries))

    async def _reply(
        self, transcript: tuple[Utterance, ...], before: tuple[Entry, ...], voice: Voice
    ) -> None:
        earlier = await self._recall.resumed()
        memory = await self._recall.memory()
        if not set(earlier) <= set(before):  # they were found just now
            before = (*earlier, *before)
        items = trimmed(history(transcript, before), self._setup.history_tokens)
        await self._setup.agent().reply(Brief(self.data, items, memory, self._kept), voice)

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
        entry = self.ledger.open(None if stream_id is None else int(stream_id), transcript)
        ask_again = partial(self._setup.prompts().reprompt, self.data)
        turn = Turn(stream_id, reply, self._turns, entry=entry, if_empty=if_empty or ask_again)
        self._retired = (*(each for each in self._retired if not each.done), turn)
        return turn

    def _turn_setup(self) -> TurnSetup:
        return TurnSetup(
            line=self._line,
            tools=self._tools,
            ledger=self.ledger,
            fillers=self._fillers,
            account=self._account,
            act=self._act,
            apology=lambda: self._setup.prompts().apology(self.data),
            parting=self._parting,
            manner=self._manner,
            patience=self._setup.patience,
            timeout=self._setup.turn_timeout,
        )

    def _manner(self) -> Manner:
        setup = self._setup
        return Manner(setup.lexicon(), setup.flush_first_clause, setup.max_answer_chars)

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
        lines = self._setup.prompts().lines(_PARTINGS[action.kind], self.data)
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


def _means(told: int | str | None, stream_id: int | str) -> bool:
    """Whether an interrupt is for a stream; one without an id is for whichever it meets."""
    return told is None or int(told) == int(stream_id)


async def _say_nothing(voice: Voice) -> None:
    """Leave the reply empty."""


async def _repeat(said: str, voice: Voice) -> None:
    """Say again what was lost with a socket: without the model, and without its tools."""
    await voice.announce(said)
