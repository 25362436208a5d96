"""Playing a scenario to a bridge in this process, and looking at what came of it."""

import asyncio
import contextlib
import difflib
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Final

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.agent.chain import NamedModel
from bridge.agent.overhearing import Overhearing
from bridge.agent.rehearsal import Rehearsal
from bridge.agent.scripted import MODEL_NAME, ScriptedMessage, ScriptedModel
from bridge.agent.stubs import StubbedResult, Stubs
from bridge.app import Bridge
from bridge.local import clock
from bridge.local.answer import Answer
from bridge.local.conversation import Conversation
from bridge.local.plain import plain
from bridge.plugins.failures import LoadFailure
from bridge.scenarios.form import Expect, Form, Message, Turn
from bridge.scenarios.judging import judged, unjudged
from bridge.scenarios.outcome import Outcome, TurnResult
from bridge.scenarios.playing import Player
from bridge.scenarios.reading import Scenario, ScenarioError
from bridge.scenarios.results import Seen, results
from bridge.scenarios.tree import Path
from bridge.settings import DEMO, Settings
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.stage import door, tables, unseen
from bridge.store.notes.notebook import Notebook

_FAREWELL: Final = 60.0
"""Seconds that a connection may take to end, once the caller has hung up."""
_LATE: Final = 2.0
"""Seconds that the bridge may need beyond its own limits."""


async def run(
    scenario: Scenario, settings: Settings, *, model: str | None = None, judge: str | None = None
) -> Outcome:
    """Play a scenario on this event loop's clock.

    `model` answers, whatever the scenario says. `judge` decides on open-ended expectations; else
    the model that answers does, if it is a real one.

    Raises:
        ScenarioError: a tool or a prompt does not load, or one that it names is not there.
        SettingsError: the bridge cannot start, or there is no such model.
        CallRefused: the bridge does not take the call.
    """
    outcome = await _Run(scenario, settings, model).outcome()
    own = None if outcome.model in (DEMO, MODEL_NAME) else outcome.model
    decides = judge or own
    if decides is None:
        return unjudged(scenario, outcome)
    return await judged(scenario, outcome, decides)


def on_its_clock(
    scenario: Scenario, settings: Settings, model: str | None = None
) -> Callable[[Coroutine[Any, Any, Outcome]], Outcome]:
    """What to run it with: the virtual clock, unless a real model takes real time."""
    if isinstance(scenario.form.model, tuple) and model is None:
        return clock.run
    name = model or scenario.form.model or settings.chosen_model
    return clock.run if name == DEMO else asyncio.run


class _Run:
    """One scenario, played once."""

    def __init__(self, scenario: Scenario, settings: Settings, model: str | None) -> None:
        form = scenario.form
        self._scenario = scenario
        self._script: ScriptedModel | None = None
        if isinstance(form.model, tuple) and model is None:
            self._script = ScriptedModel(map(_message, form.model))
            # A draft that is dropped would take its message along.
            self._settings = unseen(settings, DEMO, think_ahead="off")
        else:
            named = form.model if isinstance(form.model, str) else None
            self._settings = unseen(settings, model or named)
        self._stubs = Stubs(frozenset(form.live_tools), partial(tables, self._settings))
        self._overhearing = Overhearing()
        self._notes: list[Notebook] = []

    async def outcome(self) -> Outcome:
        async with Bridge(self._settings, self._rehearsal()) as bridge:
            self._check(bridge)
            turns, seconds = await self._call(bridge)
            models = {persona.name: persona.models[0].name for persona in bridge.personas}
            model = models[self._notes[-1].persona or DEFAULT_PERSONA]
        return Outcome(
            file=self._scenario.file,
            about=self._scenario.form.about,
            model=model,
            seconds=seconds,
            turns=tuple(turns),
        )

    async def _call(self, bridge: Bridge) -> tuple[list[TurnResult], float]:
        form, now = self._scenario.form, asyncio.get_running_loop().time
        about, began = form.call, now()
        numbers = {"from": about.caller, "to": about.called}
        where = door(self._settings, bridge.port, about.persona or DEFAULT_PERSONA)
        self._begin(None)
        async with Conversation.dial(
            where.url,
            token=where.token,
            habits=form.habits.habits(),
            agent_id=about.agent_id,
            metadata=about.metadata or None,
            voip=numbers if any(numbers.values()) else None,
        ) as talk:
            player = Player(talk, self._settings.turn_timeout + _LATE, self._farewell)
            await player.play(form.turns, self._begin)
            seconds = now() - began
        notes = self._notes[-1]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await notes.ended()
        left = len(self._script.left) if self._script else 0
        missing = bool(self._script and self._script.missing)
        violations = talk.caller.violations
        seen = Seen(notes.turns, self._overhearing.requests, violations, left, missing)
        return results(self._scenario, player.played, seen), seconds

    def _begin(self, turn: Turn | None) -> None:
        """From now on these are the results of tools."""
        stubs = self._scenario.form.tools | (turn.tools if turn else {})
        self._stubs.results = {
            name: StubbedResult(stub.result, stub.fails, stub.after) for name, stub in stubs.items()
        }

    def _farewell(self, answer: Answer) -> float:
        """Where the agent has asked for an action, it will come."""
        stream = str(answer.stream_id)
        asked = {END_CALL, TRANSFER_CALL}
        for turn in self._notes[-1].turns:
            done = {run.name for run in turn.tool_runs if run.outcome == "ok"}
            if turn.stream_id == stream and asked & done:
                return self._settings.goodbye_timeout + _LATE
        return 0.0

    def _rehearsal(self) -> Rehearsal:
        models = () if self._script is None else (NamedModel(MODEL_NAME, self._script),)
        return Rehearsal(
            record=self._open, models=models, middleware=(self._stubs, self._overhearing)
        )

    def _open(self) -> Notebook:
        self._notes.append(Notebook())
        return self._notes[-1]

    def _check(self, bridge: Bridge) -> None:
        """See that everything is there, and all that is named: what is misspelled never fails.

        Raises:
            ScenarioError: something is not there.
        """
        broken = [plain(failure) for failure in self._broken(bridge)]
        if broken:
            raise ScenarioError("\n".join(broken))
        form = self._scenario.form
        persona = form.call.persona
        if persona not in (None, DEFAULT_PERSONA, *self._settings.personas):
            raise self._scenario.error(("call", "persona"), f"there is no persona {persona}")
        toolbox = bridge.toolbox.current
        known = {tool.name for tool in toolbox.tools} | {END_CALL, TRANSFER_CALL}
        for name, place in _tools_named(form):
            if name not in known and not toolbox.may_come(name):
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "`bridge tools` lists them"
                raise self._scenario.error(place, f"there is no tool {name} ({hint})")

    def _broken(self, bridge: Bridge) -> Iterator[LoadFailure]:
        """What does not load. An agent may do without a folder."""
        if self._settings.tools_dir.is_dir():
            yield from bridge.tools.current.failures
        if self._settings.prompts_dir.is_dir():
            yield from bridge.prompts.current.failures
        for shelf in bridge.personas.shelves:
            yield from shelf.current.failures


def _message(message: Message) -> ScriptedMessage:
    calls = tuple((call.name, call.arguments) for call in message.calls)
    return ScriptedMessage(message.says, calls, message.after)


def _tools_named(form: Form) -> Iterator[tuple[str, Path]]:
    """Every tool that a scenario counts on, and where."""
    yield from ((name, ("tools", name)) for name in form.tools)
    yield from ((name, ("live_tools", place)) for place, name in enumerate(form.live_tools))
    expected: list[tuple[Expect, Path]] = []
    if form.greeting is not None:
        expected.append((form.greeting, ("greeting",)))
    for number, turn in enumerate(form.turns):
        yield from ((name, ("turns", number, "tools", name)) for name in turn.tools)
        expected.append((turn.expect, ("turns", number, "expect")))
    for expect, place in expected:
        names = enumerate(tool.name for tool in expect.tools or ())
        yield from ((name, (*place, "tools", number)) for number, name in names)
        names = enumerate(expect.never_tools)
        yield from ((name, (*place, "never_tools", number)) for number, name in names)
