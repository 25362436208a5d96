"""`bridge doctor`: what would go wrong in a call, found before it, with the remedy."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from rich.console import Console

from bridge.checkup import (
    check_settings,
    check_token,
    check_tools,
    cleaned,
    secrets_around,
    without,
)
from bridge.cli.doctor_record import check_record
from bridge.cli.tools import load_tools
from bridge.doctor import Finding, check_models, check_personas, check_port, check_prompts
from bridge.errors import SettingsError
from bridge.local.page import say
from bridge.local.plain import plain
from bridge.logs import configure_logs
from bridge.settings import FILE, Settings

_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(read: Callable[[], Settings], metadata: Mapping[str, Any], *, as_json: bool) -> int:
    """Make every check and show the findings; 1 if there is a problem."""
    configure_logs("error", "auto")
    secrets = secrets_around()
    try:
        settings = read()
    except SettingsError as error:
        findings = [Finding("problem", "settings", str(error), f"correct {FILE} or the variable")]
    else:
        secrets |= {*secrets_around(), *settings.secrets}
        with contextlib.redirect_stdout(sys.stderr):  # a tool file may print while it loads
            findings = asyncio.run(_examine(settings, metadata))
    _show(
        [cleaned(finding, lambda text: plain(without(secrets, text))) for finding in findings],
        as_json=as_json,
    )
    return 1 if any(finding.level == "problem" for finding in findings) else 0


async def _examine(settings: Settings, metadata: Mapping[str, Any]) -> list[Finding]:
    return [
        *check_settings(settings),
        *await check_models(settings),
        *await check_prompts(settings, metadata),
        *await check_personas(settings, metadata),
        *await _check_tools(settings),
        *await check_record(settings),
        check_token(settings),
        await check_port(settings),
    ]


async def _check_tools(settings: Settings) -> list[Finding]:
    try:
        toolbox = await load_tools(settings)
    except SettingsError as error:
        return [Finding("problem", "tools", str(error))]
    return check_tools(settings, toolbox)


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
