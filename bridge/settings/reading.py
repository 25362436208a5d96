"""Reading the settings, and saying in one line what is wrong with them."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError as UnreadableSetting

from bridge.errors import SettingsError
from bridge.settings import FILE, LOOPBACK, Settings
from bridge.settings.mcp import McpSettings
from bridge.settings.tables import PersonaSettings, ToolSettings

SHORTEST: Final = 16
"""Characters of a token that nobody guesses, at any rate, if it is random."""


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` come from the command line.

    Raises:
        SettingsError: a value is wrong, in one line that names it, its place and what it should be.
    """
    settings = _read(overrides)
    if settings.host not in LOOPBACK and not settings.token:
        raise SettingsError(
            f"BRIDGE_HOST is {settings.host or 'empty'}, which others can reach, and no token is "
            "set: set BRIDGE_TOKEN to a long secret (openssl rand -hex 32), or listen on 127.0.0.1"
        )
    _check_doors(settings)
    if (settings.webhook_url is None) != (settings.webhook_secret is None):
        missing = "SECRET" if settings.webhook_secret is None else "URL"
        raise SettingsError(
            f"BRIDGE_WEBHOOK_{missing} is not set: a webhook needs an address, and a secret to "
            "sign with (openssl rand -hex 32)"
        )
    if settings.webhook_url is not None and settings.record == "off":
        raise SettingsError(
            "BRIDGE_WEBHOOK_URL is set and BRIDGE_RECORD is off: the webhook sends what is on "
            "record; set BRIDGE_RECORD to metadata, text or full"
        )
    return settings


def _check_doors(settings: Settings) -> None:
    """Nobody else is to guess a token; the two ports are to be two."""
    hosts = {"BRIDGE_HOST": settings.host}
    if settings.admin_port is not None:
        hosts["BRIDGE_ADMIN_HOST"] = settings.admin_host
    reached = next((name for name, host in hosts.items() if host not in LOOPBACK), None)
    short = short_tokens(settings)
    if reached is not None and short:
        raise SettingsError(
            f"{short[0]} has fewer than {SHORTEST} characters, and {reached} is one that others "
            "can reach: they would guess it; take a long secret (openssl rand -hex 32)"
        )
    if reached == "BRIDGE_ADMIN_HOST" and not (settings.api_token or settings.console_token):
        raise SettingsError(
            f"BRIDGE_ADMIN_HOST is {settings.admin_host or 'empty'}, which others can reach, and "
            "none of them could read anything: set BRIDGE_API_TOKEN or BRIDGE_CONSOLE_TOKEN to a "
            "long secret (openssl rand -hex 32), or listen on 127.0.0.1"
        )
    if settings.admin_port and settings.admin_port == settings.port:
        raise SettingsError(
            f"BRIDGE_ADMIN_PORT is {settings.port}, as BRIDGE_PORT is: give it another, or leave "
            "it out to have everything on one port"
        )


def _read(overrides: Mapping[str, Any]) -> Settings:
    """Read them, whatever they mean together."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = (_problem(dict(one), overrides) for one in error.errors(include_input=False))
        raise SettingsError("; ".join(problems)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE}: {error}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{FILE}: not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SettingsError(f"{FILE}: {error.strerror}") from None
    except UnreadableSetting as error:
        raise SettingsError(_not_json(str(error))) from None
    except RecursionError:
        raise SettingsError(f"{FILE}, or a BRIDGE_ variable: nested too deeply") from None
    except ValueError:  # of tomllib, which otherwise raises its own
        raise SettingsError(f"{FILE}: a number has too many digits") from None


def short_tokens(settings: Settings) -> list[str]:
    """Settings with a token that could be guessed."""
    doors = settings.doors.items()
    return [name for name, tokens in doors if any(len(token) < SHORTEST for token in tokens)]


def unknown_variables() -> list[str]:
    """`BRIDGE_*` variables that mean nothing here, each with the name it may have meant."""
    known = {name.upper() for name in Settings.model_fields}
    strangers = (
        name.removeprefix("BRIDGE_")
        for name in sorted(os.environ)
        if name.startswith("BRIDGE_") and name.removeprefix("BRIDGE_") not in known
        if not name.startswith(("BRIDGE_TEST_", "BRIDGE_REQUIRE_"))
    )
    return [f"BRIDGE_{name}{_suggestion(name, known, 'BRIDGE_')}" for name in strangers]


def _suggestion(name: str, known: set[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {prefix}{near[0]}?)" if near else ""


def _not_json(error: str) -> str:
    found = re.search(r'field "(\w+)"', error)
    name = found[1] if found else "tools"
    table = name if name == "destinations" else f"{name}.NAME"
    return f"BRIDGE_{name.upper()}: not JSON; `[{table}]` belongs in {FILE}"


def _problem(error: dict[str, Any], overrides: Mapping[str, Any]) -> str:
    path = [str(part) for part in error["loc"]] or ["settings"]
    variable = f"BRIDGE_{path[0].upper()}"
    if path[0] in overrides:
        where = f"--{path[0].replace('_', '-')}"
    elif variable in map(str.upper, os.environ):
        where = variable
    else:
        where = f"{FILE}: {'.'.join(path)}"
    if error["type"] == "extra_forbidden":
        return f"{where}: no such setting" + _suggestion(path[-1], _known(path))
    message = error["msg"]
    return f"{where}: {message[0].lower()}{message[1:]}"


def _known(path: list[str]) -> set[str]:
    """The names that there are in the place of a wrong one."""
    if len(path) == 1:
        return set(Settings.model_fields)
    tables: dict[str, type[BaseModel]] = {"personas": PersonaSettings, "mcp": McpSettings}
    table = ToolSettings if "tools" in path[2:-1] else tables.get(path[0], ToolSettings)
    return set(table.model_fields)
