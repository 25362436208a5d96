"""`bridge models`: whose models can be used here, and what is missing for the others."""

import contextlib
import os
import sys
from collections import defaultdict
from typing import Any

import orjson
from rich.console import Console

from bridge.agent.providers import Provider, provider_of, providers
from bridge.local.page import say
from bridge.settings import DEMO, Settings
from bridge.settings.tables import DEFAULT_PERSONA


def models(settings: Settings, *, as_json: bool) -> None:
    """Show every provider that LangChain knows, those that are used first."""
    with contextlib.redirect_stdout(sys.stderr):  # a provider's package may print
        known, used = providers(), _used(settings)
    known.sort(key=lambda one: (one.name not in used, not one.installed))
    if as_json:
        report = {
            "models": sorted({name for names in used.values() for name in names}),
            "model": settings.chosen_model,
            "providers": [_as_json(one, used.get(one.name, [])) for one in known],
        }
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _show(known, used, settings)


def _used(settings: Settings) -> dict[str, list[str]]:
    """The models that the settings name, by provider."""
    chains = [settings.of_persona(name) for name in (DEFAULT_PERSONA, *settings.personas)]
    names = dict.fromkeys(
        name for one in chains for name in (one.chosen_model, *one.fallback_models)
    )
    used: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        used[DEMO if name == DEMO else provider_of(name)].append(name)
    return dict(used)


def _as_json(one: Provider, used: list[str]) -> dict[str, Any]:
    return {
        "provider": one.name,
        "package": one.package,
        "installed": one.installed,
        "keys": {name: bool(os.environ.get(name)) for name in one.keys},
        "problem": one.problem or None,
        "used_for": used,
    }


def _show(known: list[Provider], used: dict[str, list[str]], settings: Settings) -> None:
    console = Console(highlight=False)
    if DEMO in used:
        say(console, f"{DEMO:<26}", "built in; not a real language model" + _mark([DEMO], settings))
    for one in known:
        names = used.get(one.name, [])
        style = "bold" if names else "" if one.installed else "dim"
        say(console, f"{one.name + ':':<26}", _state(one) + _mark(names, settings), style=style)
    for name in used.get("", []):
        say(console, "problem  ", f"{name}: no provider is known for it", style="red")


def _mark(names: list[str], settings: Settings) -> str:
    marks = [f"{name} (the model)" if name == settings.chosen_model else name for name in names]
    return f"  ← {', '.join(marks)}" if marks else ""


def _state(one: Provider) -> str:
    if not one.installed:
        return f"pip install {one.package}"
    if one.problem:
        return f"{one.package} cannot be used: {one.problem}"
    keys = [f"{key} {'is set' if os.environ.get(key) else 'is not set'}" for key in one.keys]
    return f"installed; {', '.join(keys) or 'needs no key'}"
