"""`bridge tools`: what the model may use, and what keeps the rest from it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
from langchain_core.tools import BaseTool
from rich.console import Console

from bridge.agent.policy import Policy, policy_of
from bridge.agent.toolview import policy_in_full, schema_of
from bridge.errors import SettingsError
from bridge.local.page import say
from bridge.logs import configure_logs
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.plugins.toolbox import Toolbox
from bridge.settings import Settings
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.tooling import joined, mcp_servers, missing, name_missing, unknown_tables


def tools(settings: Settings, *, as_json: bool, persona: str | None = None) -> int:
    """Load the tools as the server would and show them; 1 if something is wrong.

    Raises:
        SettingsError: there is no such persona.
    """
    allow, settings = _for_persona(settings, persona)
    configure_logs(
        "debug" if settings.log_level == "debug" else "error",
        settings.log_format,
        settings.secrets,
        private=settings.log_private,
    )
    with contextlib.redirect_stdout(sys.stderr):  # a tool file may print while it loads
        toolbox = asyncio.run(load_tools(settings))
    unknown = unknown_tables(settings, toolbox)
    if allow is not None:
        unknown += [name_missing(persona, name) for name in missing(allow, toolbox)]
        allowed = tuple(tool for tool in toolbox.tools if tool.name in allow)
        toolbox = replace(toolbox, tools=allowed)
    if as_json:
        report = _as_json(settings, toolbox, unknown)
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _show(settings, toolbox, unknown)
    return 1 if toolbox.failures or unknown else 0


async def load_tools(settings: Settings) -> Toolbox:
    """Load the tools folder once, and ask the MCP servers once.

    Raises:
        SettingsError: there are servers, and nothing to speak to them with.
    """
    shelf = ToolShelf(settings.tools_dir, threads=ToolThreads(settings.tool_threads))
    await shelf.reload()
    async with mcp_servers(settings) as servers:
        return joined(shelf, servers).current


def _for_persona(
    settings: Settings, persona: str | None
) -> tuple[Collection[str] | None, Settings]:
    if persona in (None, DEFAULT_PERSONA):
        return None, settings
    if persona not in settings.personas:
        known = ", ".join((DEFAULT_PERSONA, *settings.personas))
        raise SettingsError(f"no persona {persona!r}: there are {known}")
    return settings.personas[persona].allow, settings.of_persona(persona)


# ── for machines ─────────────────────────────────────────────────────────────────────────────────


def _as_json(settings: Settings, toolbox: Toolbox, unknown: list[str]) -> dict[str, Any]:
    return {
        "tools": [
            {
                "name": tool.name,
                "file": str(toolbox.files[tool.name]),
                "description": tool.description,
                "arguments": schema_of(tool),
                "policy": policy_in_full(_policy_of(settings, tool), settings.tool_timeout),
            }
            for tool in toolbox.tools
        ],
        "failures": [
            {"file": str(failure.file), "line": failure.line, "reason": failure.reason}
            for failure in toolbox.failures
        ],
        "unknown_tables": unknown,
    }


def _policy_of(settings: Settings, tool: BaseTool) -> Policy:
    table = settings.tools.get(tool.name)
    return policy_of(tool, table.model_dump(exclude_none=True) if table else None)


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def _show(settings: Settings, toolbox: Toolbox, unknown: list[str]) -> None:
    console = Console(highlight=False)
    for tool in toolbox.tools:
        policy = _policy_of(settings, tool)
        seconds = policy.timeout or settings.tool_timeout
        rest = f"  {toolbox.files[tool.name]} · up to {seconds:g} s"
        say(console, tool.name, rest, style="bold")
        say(console, "  ", _first_line(tool.description))
        say(console, "  ", _in_words(policy))
        for line in _arguments(schema_of(tool)):
            say(console, "    ", line)
    if not toolbox.tools:
        say(console, "", "No tools.")
    if toolbox.failures or unknown:
        say(console, "", "")
    for problem in (*toolbox.failures, *unknown):
        say(console, "problem  ", str(problem), style="red")


def _in_words(policy: Policy) -> str:
    filler = " / ".join(policy.filler.splitlines())
    asks = f": {policy.confirm}" if policy.confirm else ""
    return f"policy: {policy.in_words}{asks}" + (f" · filler: {filler}" if filler else "")


def _first_line(description: str) -> str:
    return description.strip().split("\n", 1)[0]


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "none",
    "array": "list",
}


def _arguments(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    definitions = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        line = f"{name}: {kind_of(field, definitions)}"
        if "default" in field:
            line += f" = {_literal(field['default'])}"
        elif name not in required:
            line += " (optional)"
        about = field.get("description")
        yield f"{line}  {_first_line(about)}" if isinstance(about, str) and about else line


def kind_of(field: Any, definitions: Mapping[str, Any], depth: int = 4) -> str:
    """Write a JSON Schema type as a person would: `list of text`, `"c" or "f"`."""
    if not isinstance(field, Mapping) or not depth:
        return "anything"
    if isinstance(reference := field.get("$ref"), str):
        return kind_of(definitions.get(reference.rpartition("/")[2]), definitions, depth - 1)
    choices = next((field[key] for key in ("anyOf", "oneOf", "allOf") if key in field), None)
    if isinstance(choices, list):
        return " or ".join(kind_of(one, definitions, depth - 1) for one in choices)
    values = field.get("enum", [field["const"]] if "const" in field else None)
    if isinstance(values, list):
        return " or ".join(_literal(value) for value in values)
    return _plain_kind(field, definitions, depth)


def _plain_kind(field: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> str:
    kind, items, properties = field.get("type"), field.get("items"), field.get("properties")
    if kind == "array" and items:
        return f"list of {kind_of(items, definitions, depth - 1)}"
    if kind == "object" and isinstance(properties, Mapping):
        return f"object with {', '.join(properties)}"
    return _KINDS.get(str(kind), str(kind or "anything"))


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
