"""`bridge doctor`: what would go wrong in a call, found before it, with the remedy."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console

from bridge.cli.doctor_record import check_record
from bridge.cli.tools import load_tools, missing, name_missing, unknown_tables
from bridge.doctor import Finding, check_models, check_personas, check_port, check_prompts
from bridge.errors import SettingsError
from bridge.local.page import say
from bridge.local.plain import plain
from bridge.logs import configure_logs
from bridge.settings import FILE, LOOPBACK, Settings
from bridge.settings.reading import unknown_variables

_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|BASE_URL|API_BASE|DSN")
_SHORTEST_SECRET: Final = 4
_SHORT_TOKEN: Final = 16
_REMEDY_FILE: Final = "correct the file; `bridge tools` shows what is loaded"
_REMEDY_MCP: Final = f"see that the server runs, or correct its table in {FILE}"
_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(read: Callable[[], Settings], metadata: Mapping[str, Any], *, as_json: bool) -> int:
    """Make every check and show the findings; 1 if there is a problem."""
    configure_logs("error", "auto")
    secrets = _secrets_around()
    try:
        settings = read()
    except SettingsError as error:
        findings = [Finding("problem", "settings", str(error), f"correct {FILE} or the variable")]
    else:
        secrets |= {*_secrets_around(), *settings.secrets}
        with contextlib.redirect_stdout(sys.stderr):  # a tool file may print while it loads
            findings = asyncio.run(_examine(settings, metadata))
    _show([_without(secrets, finding) for finding in findings], as_json=as_json)
    return 1 if any(finding.level == "problem" for finding in findings) else 0


async def _examine(settings: Settings, metadata: Mapping[str, Any]) -> list[Finding]:
    return [
        *_check_settings(),
        *await check_models(settings),
        *await check_prompts(settings, metadata),
        *await check_personas(settings, metadata),
        *await _check_tools(settings),
        *await check_record(settings),
        _check_token(settings),
        await check_port(settings),
    ]


def _check_settings() -> list[Finding]:
    sources = [f"{FILE}"] if FILE.exists() else []
    sources += [".env"] if Path(".env").exists() else []
    count = sum(name.startswith("BRIDGE_") for name in os.environ)
    sources += [f"{count} BRIDGE_ variable{'s' if count > 1 else ''}"] if count else []
    findings = [Finding("ok", "settings", f"valid ({', '.join(sources) or 'all defaults'})")]
    for name in unknown_variables():
        message = f"{name}: no such setting"
        findings.append(Finding("warning", "settings", message, "correct or remove the variable"))
    return findings


async def _check_tools(settings: Settings) -> list[Finding]:
    try:
        toolbox = await load_tools(settings)
    except SettingsError as error:
        return [Finding("problem", "tools", str(error))]
    findings = []
    for failure in toolbox.failures:
        if failure.file == settings.tools_dir:
            findings.append(Finding("warning", "tools", str(failure)))
        else:
            remedy = _REMEDY_MCP if failure.file == FILE else _REMEDY_FILE
            findings.append(Finding("problem", "tools", str(failure), remedy))
    remedy = f"correct the name, or remove the table from {FILE}"
    wrong = unknown_tables(settings, toolbox)
    for name, persona in settings.personas.items():
        wrong += [name_missing(name, tool) for tool in missing(persona.allow or (), toolbox)]
    findings += [Finding("problem", "tools", one, remedy) for one in wrong]
    if not findings:
        names = ", ".join(tool.name for tool in toolbox.tools)
        findings.append(Finding("ok", "tools", names or "none in the folder"))
    return findings


def _check_token(settings: Settings) -> Finding:
    """Who may come in, and from where."""
    remedy = "set BRIDGE_TOKEN to a long secret (openssl rand -hex 32)"
    if not settings.token:
        message = f"none is set; it listens on {settings.host}, which only this machine reaches"
        return Finding("warning", "token", message, f"before you open it to Millis, {remedy}")
    if min(map(len, settings.tokens)) < _SHORT_TOKEN:
        return Finding("warning", "token", "a token is short enough to be guessed", remedy)
    message = "set" if len(settings.token) == 1 else f"{len(settings.token)} are set"
    if settings.host in LOOPBACK:
        message += f"; it listens on {settings.host}: Millis needs a tunnel or a proxy to it"
    return Finding("ok", "token", message)


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


def _secrets_around() -> set[str]:
    """Values of variables that sound secret, so that no message can quote one."""
    return {value for name, value in os.environ.items() if _SECRET.search(name.upper())}


def _without(secrets: set[str], finding: Finding) -> Finding:
    def clean(text: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "•••")
        return plain(text)

    return Finding(finding.level, finding.check, clean(finding.message), clean(finding.remedy))


# ── showing ──────────────────────────────────────────────────────────────────────────────────────


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        fit = not any(finding.level == "problem" for finding in findings)
        report = {"fit": fit, "findings": findings}
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console(highlight=False)
    for finding in findings:
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        head = f"{finding.level:<9}{finding.check:<10}"
        say(console, head, finding.message + remedy, style=_COLOURS[finding.level])
