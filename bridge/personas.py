"""Several agents in one bridge: personas with prompts, tools, a model and manners of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from bridge.agent.agent import LangChainAgent
from bridge.agent.callcontrol import call_control
from bridge.agent.chain import NamedModel
from bridge.agent.models import build_model
from bridge.agent.rehearsal import Middleware, Rehearsal
from bridge.agent.reply import Limits
from bridge.call.deadair import Patience
from bridge.call.events import CallData
from bridge.call.setup import CallSetup
from bridge.errors import SettingsError
from bridge.plugins.failures import PromptFailure, ToolFailure
from bridge.plugins.layered import LayeredPrompts
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.prompts import PromptSet
from bridge.plugins.toolbox import Toolbox
from bridge.settings import FILE, Settings
from bridge.settings.tables import DEFAULT_PERSONA, PersonaSettings

_log = structlog.get_logger(__name__)

Failure = ToolFailure | PromptFailure


class Prompts(Protocol):
    """Prompts as they are in use."""

    @property
    def current(self) -> PromptSet:
        """The newest that compiled."""


class Persona:
    """Who answers. All its calls share one compiled agent for each toolbox."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        models: Sequence[NamedModel],
        prompts: Prompts,
        toolbox: Callable[[], Toolbox],
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.name = name
        self.settings = settings
        """As they are for this persona."""
        self.models = models
        self.prompts = prompts
        self._toolbox = toolbox
        self._middleware = middleware
        table = settings.personas.get(name, PersonaSettings())
        self.allow = table.allow
        """Names of the tools it may use; None for all."""
        self._compiled: tuple[Toolbox, LangChainAgent] | None = None
        self.failures: tuple[Failure, ...] = ()
        """What it names and is not there any more; then it answers as it did before."""

    def agent(self) -> LangChainAgent:
        """The agent over the tools that are loaded now, compiled once per toolbox.

        Raises:
            SettingsError: it has never had a tool that it names.
        """
        toolbox = self._toolbox()
        if self._compiled is None or self._compiled[0] is not toolbox:
            self._compiled = (toolbox, self._compile(toolbox))
        return self._compiled[1]

    def dressed(self, base: CallSetup) -> CallSetup:
        """What its calls share, as far as it is not the same for all calls."""
        settings = self.settings
        return replace(
            base,
            persona=self.name,
            agent=self.agent,
            prompts=lambda: self.prompts.current,
            lexicon=lambda: self.prompts.current.lexicon,
            greeting=settings.greeting,
            patience=Patience(filler_after=settings.filler_after),
            think_ahead=settings.think_ahead,
            silence_after=settings.silence_after,
        )

    def missing(self, toolbox: Toolbox) -> list[str]:
        """Tools that it names and that are not loaded."""
        there = {tool.name for tool in toolbox.tools}
        return [name for name in self.allow or () if name not in there]

    def _compile(self, toolbox: Toolbox) -> LangChainAgent:
        missing = self.missing(toolbox)
        self.failures = tuple(self._failure(name, toolbox) for name in missing)
        gone = [name for name in missing if not toolbox.may_come(name)]
        if gone and self._compiled is None:
            raise SettingsError(f"{FILE}: {self._failure(gone[0], toolbox).reason}")
        if gone and self._compiled is not None:
            _log.warning("persona keeps its last tools", persona=self.name, missing=gone)
            return self._compiled[1]
        settings = self.settings
        control = call_control(end_call=settings.end_call, destinations=settings.destinations)
        allowed = [t for t in toolbox.tools if self.allow is None or t.name in self.allow]
        policies = {n: table.model_dump(exclude_none=True) for n, table in settings.tools.items()}
        return LangChainAgent(
            self.models,
            [*allowed, *control],
            lambda: self.prompts.current,
            _limits(settings),
            policies,
            self._middleware,
        )

    def _failure(self, tool: str, toolbox: Toolbox) -> ToolFailure:
        away = toolbox.may_come(tool)
        what = "of a server that is away" if away else "which is not loaded"
        reason = f"[personas.{self.name}] names the tool {tool!r}, {what}"
        return ToolFailure(FILE, None, reason, kept=self._compiled is not None and not away)


class Personas:
    """Every persona of a bridge, and which of them a call is for."""

    def __init__(
        self,
        settings: Settings,
        prompts: PromptShelf,
        toolbox: Callable[[], Toolbox],
        rehearsal: Rehearsal | None = None,
    ) -> None:
        middleware = rehearsal.middleware if rehearsal else ()
        self._models: dict[tuple[str, float | None], NamedModel] = {}
        self._layers: list[LayeredPrompts] = []
        self._all: dict[str, Persona] = {}
        for name in (DEFAULT_PERSONA, *settings.personas):
            own = settings.of_persona(name)
            texts: Prompts = prompts
            if name != DEFAULT_PERSONA:
                texts = self._layered(name, settings, prompts)
            models = (rehearsal and rehearsal.models) or self._chain(own)
            self._all[name] = Persona(name, own, models, texts, toolbox, middleware)
        self._by_agent = {
            agent: name
            for name, persona in settings.personas.items()
            if not persona.token  # its token is the only way to it
            for agent in persona.agents
        }
        self.setups: Mapping[str, CallSetup] = {}
        """What the calls of each share, once `dress` was called."""

    def __iter__(self) -> Iterator[Persona]:
        return iter(self._all.values())

    @property
    def default(self) -> Persona:
        """Who answers everything that is not for another."""
        return self._all[DEFAULT_PERSONA]

    @property
    def models(self) -> list[NamedModel]:
        """Every model, once."""
        return list(self._models.values())

    @property
    def shelves(self) -> list[PromptShelf]:
        """Folders of prompts to load and watch, beside the one of everybody."""
        return [layered.own for layered in self._layers]

    @property
    def failures(self) -> list[Failure]:
        """What did not load, or is missing."""
        own = [failure for layered in self._layers for failure in layered.own.current.failures]
        return [*own, *(failure for persona in self for failure in persona.failures)]

    def dress(self, base: CallSetup) -> CallSetup:
        """Make the setup of each; returns the one for calls whose persona is still to be chosen."""
        self.setups = {persona.name: persona.dressed(base) for persona in self}
        return replace(self.setups[DEFAULT_PERSONA], choose=self.choose)

    def choose(self, call: CallData) -> CallSetup:
        """Who answers a call, by the agent it is for."""
        return self.setups[self._by_agent.get(call.agent_id, DEFAULT_PERSONA)]

    def _chain(self, settings: Settings) -> list[NamedModel]:
        names = (settings.chosen_model, *settings.fallback_models)
        return [self._model(name, settings.temperature) for name in names]

    def _model(self, name: str, temperature: float | None) -> NamedModel:
        """One for all that want the same: with its connections, and its breaker."""
        key = (name, temperature)
        if key not in self._models:
            self._models[key] = build_model(name, temperature=temperature)
        return self._models[key]

    def _layered(self, name: str, settings: Settings, base: PromptShelf) -> Prompts:
        named = settings.personas[name].prompts_dir
        folder = named or settings.prompts_dir / name
        if not folder.is_dir():
            if named is None:
                return base
            raise SettingsError(
                f"{FILE}: [personas.{name}] prompts_dir: there is no folder {named}"
            )
        layered = LayeredPrompts(folder, base)
        self._layers.append(layered)
        return layered


def _limits(settings: Settings) -> Limits:
    return Limits(
        first_word_timeout=settings.first_word_timeout,
        token_timeout=settings.token_timeout,
        tool_timeout=settings.tool_timeout,
        max_model_calls=settings.max_model_calls,
        max_tool_calls=settings.max_tool_calls,
        max_parallel_tools=settings.max_parallel_tools,
    )
