"""The agent as the console shows it: what is loaded now, as plain data without secrets."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bridge import __version__
from bridge.agent.policy import policy_of
from bridge.agent.toolview import policy_in_full, schema_of
from bridge.call.events import CallData
from bridge.personas import Persona, Personas
from bridge.plugins.daemon import DaemonRun
from bridge.plugins.failures import LoadFailure
from bridge.plugins.prompts import PromptSet
from bridge.plugins.template import PromptTemplate
from bridge.plugins.toolbox import Toolbox
from bridge.plugins.tryout import try_out
from bridge.plugins.values import as_data, metadata_json
from bridge.server.console.exhibit import Sample
from bridge.server.console.pulse import Pulse
from bridge.settings import Settings
from bridge.settingsview import settings_shown

Status = Callable[[], Mapping[str, Any]]


class AgentView:
    """Everything that the console shows of a running bridge (server.console.exhibit.Exhibit)."""

    def __init__(
        self,
        settings: Settings,
        personas: Personas,
        toolbox: Callable[[], Toolbox],
        record: Status,
        pulse: Pulse,
    ) -> None:
        self._settings = settings
        self._personas = personas
        self._toolbox = toolbox
        self._record = record
        self._pulse = pulse

    def agent(self) -> Mapping[str, Any]:
        """Personas, tools, what did not load."""
        toolbox = self._toolbox()
        return {
            "version": __version__,
            "toolbox": toolbox.version,
            "personas": [self._persona(persona) for persona in self._personas],
            "tools": [self._tool(tool, toolbox) for tool in toolbox.tools],
            "failures": [_failure(failure) for failure in self._failures()],
            "record": {"level": self._settings.record, **self._record()},
        }

    async def prompts(self, sample: Sample) -> Sequence[Mapping[str, Any]]:
        """Every prompt of a persona, rendered; empty for a persona that is not there."""
        persona = next((one for one in self._personas if one.name == sample.persona), None)
        if persona is None:
            return []
        work = partial(_rendered, persona.prompts.current, sample)
        prompts: list[Mapping[str, Any]] = await DaemonRun(work, name="preview").result
        return prompts

    def settings(self) -> Sequence[Mapping[str, Any]]:
        """Every setting, with what it means; of a secret only whether it is set."""
        return settings_shown(self._settings)

    async def doctor(self, *, ask_models: bool) -> Sequence[Mapping[str, Any]]:
        """What could be wrong, and the remedy. Asking the models costs a few tokens of each."""
        from bridge.checkup import examine  # noqa: PLC0415 - nothing else of a running bridge needs it

        findings = await examine(
            self._settings, self._toolbox(), self._record(), ask_models=ask_models
        )
        return [
            {"level": one.level, "check": one.check, "message": one.message, "remedy": one.remedy}
            for one in findings
        ]

    def versions(self) -> Mapping[str, str]:
        """Of `agent` and of `calls`: another text whenever what is shown of it is another."""
        prompts = ".".join(str(persona.prompts.current.version) for persona in self._personas)
        failures = hash(tuple(map(str, self._failures())))
        agent = f"{self._toolbox().version}-{prompts}-{failures:x}-{len(self._pulse.troubles)}"
        written = self._record().get("written", 0)
        return {"agent": agent, "calls": f"{self._pulse.beats}-{written}"}

    def _persona(self, persona: Persona) -> Mapping[str, Any]:
        table = self._settings.personas.get(persona.name)
        return {
            "name": persona.name,
            "models": [model.name for model in persona.models],
            "greeting": persona.settings.greeting,
            "agents": [] if table is None else list(table.agents),
            "has_token": bool(table and table.token),
            "allow": None if persona.allow is None else list(persona.allow),
        }

    def _tool(self, tool: Any, toolbox: Toolbox) -> Mapping[str, Any]:
        table = self._settings.tools.get(tool.name)
        policy = policy_of(tool, table.model_dump(exclude_none=True) if table else None)
        file = toolbox.files[tool.name]
        trouble = self._pulse.troubles.get(tool.name)
        return {
            "name": tool.name,
            "file": str(file),
            "description": inspect.cleandoc(tool.description),
            "arguments": schema_of(tool),
            "policy": policy_in_full(policy, self._settings.tool_timeout),
            "broken": next((_failure(one) for one in toolbox.failures if one.file == file), None),
            "last_error": trouble,
            "personas": [
                one.name for one in self._personas if one.allow is None or tool.name in one.allow
            ],
        }

    def _failures(self) -> Iterator[LoadFailure]:
        yield from self._toolbox().failures
        yield from self._personas.default.prompts.current.failures
        yield from self._personas.failures


def _failure(failure: LoadFailure) -> Mapping[str, Any]:
    return {
        "file": str(failure.file),
        "line": failure.line,
        "reason": failure.reason,
        "kept": failure.kept,
    }


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


def _rendered(prompts: PromptSet, sample: Sample) -> list[Mapping[str, Any]]:
    call = CallData(
        "sample",
        "sample",
        None,
        "+15550100",
        "+15550101",
        sample.metadata,
        sample.include_metadata_in_prompt,
    )
    broken = {str(failure.file): failure for failure in prompts.failures}
    return [
        _prompt(name, template, call, broken.get(template.file))
        for name, template in sorted(prompts.templates.items(), key=_system_first)
    ]


def _system_first(item: tuple[str, PromptTemplate]) -> tuple[bool, bool, str]:
    return (item[0] != "system", item[0] != "greeting", item[0])


def _prompt(
    name: str, template: PromptTemplate, call: CallData, broken: LoadFailure | None
) -> Mapping[str, Any]:
    tried = try_out(template.source, call)
    text = template.fallback if tried.error else tried.text
    if name == "system" and call.include_metadata_in_prompt and (data := metadata_json(call)):
        text = f"{text}\n\n{as_data(data)}"
    return {
        "name": name,
        "file": template.file,
        "source": template.source,
        "text": text,
        "missed": tried.missed,
        "error": tried.error,
        "broken": None if broken is None else _failure(broken),
    }
