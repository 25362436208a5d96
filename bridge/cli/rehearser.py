"""A bridge in this process that a call on record is replayed to."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from bridge.agent.chain import NamedModel
from bridge.agent.message import Listener
from bridge.agent.policy import policy_of
from bridge.agent.rehearsal import Rehearsal
from bridge.agent.replayed import MODEL_NAME, Prompter, ReplayedModel
from bridge.agent.standin import NOT_RUN, StandIn
from bridge.app import Bridge
from bridge.call.events import CallData, TurnBegan
from bridge.call.ports import Prompts
from bridge.cli.recorded import Remembered, answers_of, runs_of
from bridge.local.replay import Pace, play
from bridge.local.replay_compare import end_of, summed_up, turn_differences
from bridge.local.replay_report import End, ReplayReport, TurnDifference
from bridge.local.replay_script import Script
from bridge.settings import Settings
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.stage import door, tables, unseen
from bridge.store.notes.notebook import Notebook
from bridge.store.shapes import CallDetail

_FAREWELL: Final = 60.0
"""Seconds that a connection may take to end, once the caller has hung up."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a call is replayed."""

    recorded: bool = False
    """Against the recorded answers of the model."""
    model: str | None = None
    """Against this model, whoever answers."""
    live_tools: bool = False
    """Run tools with side effects, too."""
    fast: bool = False
    """What was recorded is there at once."""
    real_time: bool = False
    """Keep the silence between turns."""
    interrupts: Literal["words", "time"] = "words"
    """What is the same about when the caller speaks over an answer."""


class Rehearser:
    """Replays the connections of one call, one after another."""

    def __init__(
        self,
        settings: Settings,
        calls: Sequence[CallDetail],
        scripts: Sequence[Script],
        manner: Manner,
        earlier: Sequence[CallDetail],
    ) -> None:
        """`earlier`: the call that this one went on from; none for no call."""
        self.tell: Callable[[], None] = lambda: None
        """Called for each request."""
        self._settings = unseen(settings, manner.model)
        self._calls = calls
        self._scripts = scripts
        self._manner = manner
        self._prompter = Prompter()
        self._earlier = Remembered(earlier)
        self._notes: list[Notebook] = []
        self._remarks: list[str] = list(_limits(scripts, manner))

    async def report(self) -> ReplayReport:
        """Replay all, and compare.

        Raises:
            CallRefused: a connection is not taken.
            SettingsError: the bridge cannot start.
        """
        turns: list[TurnDifference] = []
        ends: list[End] = []
        model = ""
        rehearsal = self._rehearsal()
        for sitting in _sittings(self._calls, self._settings.resume_window):
            async with Bridge(self._settings, rehearsal) as bridge:
                for number in sitting:
                    call = self._calls[number]
                    notes = await self._play(bridge, call, self._scripts[number])
                    turns += self._differences(bridge, number, notes)
                    ends.append(end_of(number + 1, call.ending, notes.ending))
                answering = {persona.name: persona.models[0].name for persona in bridge.personas}
                model = model or answering[self._persona(self._calls[0])]
        return self._summed_up(turns, ends, model)

    def _differences(
        self, bridge: Bridge, number: int, notes: Notebook
    ) -> Iterator[TurnDifference]:
        call = self._calls[number]
        fillers = self._prompts(bridge, call).lines("fillers", CallData())
        return turn_differences(
            number + 1,
            call.timeline,
            notes.turns,
            not_run=NOT_RUN,
            asides={*fillers, *self._fillers(bridge, call)},
            asked_for_more=self._prompter.asked_for_more,
        )

    def _summed_up(
        self, turns: Sequence[TurnDifference], ends: Sequence[End], model: str
    ) -> ReplayReport:
        summary = summed_up(turns)
        words = summary.other_words if self._manner.recorded else 0
        return ReplayReport(
            session_id=self._calls[0].session_id,
            mode="recorded" if self._manner.recorded else "today",
            model=model,
            notes=tuple(self._remarks),
            turns=tuple(turns),
            ends=tuple(ends),
            summary=summary,
            differs=bool(summary.other_tools or summary.other_outcome or words)
            or any(end.differs for end in ends),
        )

    async def _play(self, bridge: Bridge, call: CallDetail, script: Script) -> Notebook:
        """Hold one connection to its end."""
        apology = self._prompts(bridge, call).apology(CallData())
        self._prompter.load(tuple(answers_of(call.timeline, apology)))
        manner, patience = self._manner, self._settings.turn_timeout + 5
        pace = Pace(manner.real_time, manner.interrupts, patience)
        where = door(self._settings, bridge.port, self._persona(call))
        await play(where, script, pace, self._idle, self.tell)
        notes = self._notes[-1]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await notes.ended()
        if notes.persona not in (None, call.persona or DEFAULT_PERSONA):
            then = f"then it was {call.persona or DEFAULT_PERSONA}"
            self._remarks.append(f"the persona {notes.persona} has answered; {then}")
        return notes

    def _prompts(self, bridge: Bridge, call: CallDetail) -> Prompts:
        return bridge.personas.setups[self._persona(call)].prompts()

    def _persona(self, call: CallDetail) -> str:
        """Who is to answer: the same as then, if they are still there."""
        named = call.persona or DEFAULT_PERSONA
        return named if named in self._settings.personas else DEFAULT_PERSONA

    def _rehearsal(self) -> Rehearsal:
        manner = self._manner
        recorded = ReplayedModel(prompter=self._prompter, fast=manner.fast, callbacks=[Listener()])
        stand_in = StandIn(
            runs_of(self._calls), fast=manner.fast, tables=partial(tables, self._settings)
        )
        return Rehearsal(
            record=self._open,
            earlier=self._earlier,
            models=(NamedModel(MODEL_NAME, recorded),) if manner.recorded else (),
            middleware=() if manner.live_tools else (stand_in,),
        )

    def _open(self) -> Notebook:
        self._notes.append(Notebook(self._begin))
        return self._notes[-1]

    def _begin(self, turn: TurnBegan) -> None:
        self._prompter.begin(turn.turn, str(turn.stream_id))

    async def _idle(self) -> None:
        await self._notes[-1].idle()

    def _fillers(self, bridge: Bridge, call: CallDetail) -> Iterator[str]:
        """What tools have said while the caller waits."""
        policies = tables(self._settings, self._persona(call))
        for tool in bridge.tools.current.tools:
            yield from policy_of(tool, policies.get(tool.name)).filler.splitlines()


def _sittings(calls: Sequence[CallDetail], window: float) -> Iterator[list[int]]:
    """Connections that one bridge knows to be one call: the next came soon after the last."""
    sitting: list[int] = []
    for number, call in enumerate(calls):
        before = calls[number - 1]
        end = before.ended_at or before.started_at
        if sitting and (call.started_at - end).total_seconds() > window:
            yield sitting
            sitting = []
        sitting.append(number)
    yield sitting


def _limits(scripts: Sequence[Script], manner: Manner) -> Iterator[str]:
    if not all(script.whole for script in scripts):
        yield (
            "the messages of Millis were not kept, or not all: they are made from the turns, "
            "without partial transcripts"
        )
    if manner.fast:
        yield "what was recorded came at once, so times say nothing about speed"
