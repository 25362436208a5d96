"""The doctor's checks of what is set and loaded, and what takes secrets out of the findings."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge.doctor import Finding, check_models, check_personas, check_prompts
from bridge.plugins.toolbox import Toolbox
from bridge.settings import FILE, LOOPBACK, Settings
from bridge.settings.reading import short_tokens, unknown_variables
from bridge.tooling import missing, name_missing, unknown_tables

_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|BASE_URL|API_BASE|DSN")
_SHORTEST_SECRET: Final = 4
_VARIABLES: Final = Path(".env")
_REMEDY_FILE: Final = "correct the file; `bridge tools` shows what is loaded"
_REMEDY_MCP: Final = f"see that the server runs, or correct its table in {FILE}"


async def examine(
    settings: Settings, toolbox: Toolbox, record: Mapping[str, Any], *, ask_models: bool
) -> list[Finding]:
    """Look at a bridge that runs; `record` is the recorder's status. No finding quotes a secret."""
    findings = [
        *check_settings(settings),
        *(await check_models(settings) if ask_models else ()),
        *await check_prompts(settings, {}),
        *await check_personas(settings, {}),
        *check_tools(settings, toolbox),
        _check_record(settings, record),
        check_token(settings),
    ]
    clean = partial(without, {*secrets_around(), *settings.secrets})
    return [cleaned(finding, clean) for finding in findings]


def _check_record(settings: Settings, status: Mapping[str, Any]) -> Finding:
    """Say how the recorder is."""
    if settings.record == "off":
        return Finding("ok", "record", "off: nothing is kept of calls")
    if status["state"] == "ok":
        return Finding("ok", "record", f"{settings.record}, in good order")
    remedy = "start the database, or correct BRIDGE_DATABASE_URL; calls wait in the spool"
    return Finding("problem", "record", f"{status['state']}: {status.get('reason')}", remedy)


def check_settings(settings: Settings) -> list[Finding]:
    """Say where the settings come from, who can read them, and which variables mean nothing."""
    sources = [f"{FILE}"] if FILE.exists() else []
    sources += [f"{_VARIABLES}"] if _VARIABLES.exists() else []
    count = sum(name.startswith("BRIDGE_") for name in os.environ)
    sources += [f"{count} BRIDGE_ variable{'s' if count > 1 else ''}"] if count else []
    findings = [Finding("ok", "settings", f"valid ({', '.join(sources) or 'all defaults'})")]
    for name in unknown_variables():
        message = f"{name}: no such setting"
        findings.append(Finding("warning", "settings", message, "correct or remove the variable"))
    for file in filter(_is_open, (FILE, _VARIABLES)):
        if _holds(file, {*secrets_around(), *settings.secrets}):
            message = f"other users of this machine can read the secrets in {file}"
            findings.append(Finding("warning", "settings", message, f"chmod 600 {file}"))
    return findings


def _is_open(file: Path) -> bool:
    """Whether more than its owner may do something with a file."""
    return file.exists() and bool(file.stat().st_mode & 0o077)


def _holds(file: Path, secrets: Collection[str]) -> bool:
    text = file.read_text(errors="replace")
    return any(secret in text for secret in secrets if len(secret) >= _SHORTEST_SECRET)


def check_tools(settings: Settings, toolbox: Toolbox) -> list[Finding]:
    """Say what did not load, and which tables and personas name what is not there."""
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


def check_token(settings: Settings) -> Finding:
    """Who may come in, and from where."""
    remedy = "set BRIDGE_TOKEN to a long secret (openssl rand -hex 32)"
    if short := short_tokens(settings):
        message = f"a token in {short[0]} is short enough to be guessed"
        return Finding(
            "warning", "token", message, "set it to a long secret (openssl rand -hex 32)"
        )
    if not settings.token:
        message = f"none is set; it listens on {settings.host}, which only this machine reaches"
        return Finding("warning", "token", message, f"before you open it to Millis, {remedy}")
    message = "set" if len(settings.token) == 1 else f"{len(settings.token)} are set"
    if settings.host in LOOPBACK:
        message += f"; it listens on {settings.host}: Millis needs a tunnel or a proxy to it"
    return Finding("ok", "token", message)


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


def secrets_around() -> set[str]:
    """Values of variables that sound secret, so that no message can quote one."""
    return {value for name, value in os.environ.items() if _SECRET.search(name.upper())}


def without(secrets: Collection[str], text: str) -> str:
    """Take secrets out of a text."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "•••")
    return text


def cleaned(finding: Finding, clean: Callable[[str], str]) -> Finding:
    """The same finding, with its texts made fit to be shown."""
    return Finding(finding.level, finding.check, clean(finding.message), clean(finding.remedy))
