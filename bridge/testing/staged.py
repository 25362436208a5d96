"""The agent of the working folder, for one call in a test: a bridge that nobody else can reach."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.agent.chain import NamedModel
from bridge.agent.rehearsal import Rehearsal
from bridge.agent.scripted import MODEL_NAME, ScriptedModel
from bridge.agent.stubs import StubbedResult, Stubs
from bridge.app import Bridge
from bridge.local.door import Door
from bridge.settings import DEMO, FILE, Settings
from bridge.settings.reading import load_settings
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.stage import door, tables, unseen
from bridge.testing.witness import Witness


class Staged:
    """What is otherwise than in the folder; a test that names what is not there fails."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        model: str | None,
        script: ScriptedModel | None,
        tools: Mapping[str, Any],
        live_tools: Collection[str],
    ) -> None:
        """The arguments of `Calls`; the `script` answers if there is no `model`.

        Raises:
            SettingsError: a setting is wrong.
        """
        self._models: tuple[NamedModel, ...] = ()
        found = _settings(settings)
        if script is None or model is not None:
            self._settings = unseen(found, model or DEMO)
        else:  # a draft that is dropped would take its message out of the script
            self._settings = unseen(found, DEMO, think_ahead="off")
            self._models = (NamedModel(MODEL_NAME, script),)
        self._stubs = Stubs(frozenset(live_tools), partial(tables, self._settings))
        self._stubs.results = {name: _stubbed(given) for name, given in tools.items()}
        self._named = (*tools, *live_tools)

    @contextlib.asynccontextmanager
    async def bridge(self, witness: Witness) -> AsyncIterator[Bridge]:
        """Run it while the block runs.

        Raises:
            SettingsError: the model cannot be had, or a persona names what is not there.
        """
        rehearsal = Rehearsal(lambda: witness, models=self._models, middleware=(self._stubs,))
        async with Bridge(self._settings, rehearsal) as bridge:
            self._require_whole(bridge)
            yield bridge

    def door(self, bridge: Bridge, persona: str) -> Door:
        """Where it is dialled."""
        known = (DEFAULT_PERSONA, *self._settings.personas)
        if persona not in known:
            _fail(f"there is no persona {persona!r}; there are: {', '.join(known)}")
        return door(self._settings, bridge.port, persona)

    def _require_whole(self, bridge: Bridge) -> None:
        """Fail if something did not load, or a tool that the test counts on is not there."""
        toolbox = bridge.toolbox.current
        failures = [*toolbox.failures, *bridge.prompts.current.failures]
        if failures:
            where = (f"{f.file}:{f.line}" if f.line else str(f.file) for f in failures)
            told = (f"{at}: {f.reason}" for at, f in zip(where, failures, strict=True))
            _fail("\n".join(["not everything of the agent loads:", *told]))
        known = {tool.name for tool in toolbox.tools}
        for name in self._named:
            if name not in known and not toolbox.may_come(name):
                there = ", ".join(sorted(known)) or "none"
                _fail(f"there is no tool {name!r}; there are: {there}")


def _settings(own: Mapping[str, Any]) -> Settings:
    settings = load_settings(**own)
    places = (FILE, settings.tools_dir, settings.prompts_dir)
    if not any(place.exists() for place in places):
        missing = ", no ".join(map(str, places))
        _fail(
            f"there is no agent in {Path.cwd()}, which has no {missing}: run pytest in its folder"
        )
    return settings


def _stubbed(given: Any) -> StubbedResult:
    return given if isinstance(given, StubbedResult) else StubbedResult(given)


def _fail(reason: str) -> None:
    pytest.fail(reason, pytrace=False)
