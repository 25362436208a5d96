"""A bridge in this process that nobody else can reach, and that leaves no trace."""

from dataclasses import replace
from typing import Any

from bridge.local.door import Door
from bridge.settings import Settings
from bridge.settings.tables import DEFAULT_PERSONA


def unseen(settings: Settings, model: str | None = None, **more: Any) -> Settings:
    """The settings of such a bridge. `model` answers for all personas, and no other instead of it.

    `more`: settings that hold for all personas, too.
    """
    if model is not None:
        more = {"model": model, "fallback_models": (), **more}
    update = {"host": "127.0.0.1", "port": 0, "record": "off", "webhook_url": None, **more}
    if more:
        tables = settings.personas.items()
        update["personas"] = {name: table.model_copy(update=more) for name, table in tables}
    return settings.model_copy(update=update)


def door(settings: Settings, port: int, persona: str = DEFAULT_PERSONA) -> Door:
    """Where it is dialled, for one persona."""
    tokens, path = settings.tokens, ""
    if persona != DEFAULT_PERSONA:
        tokens, path = settings.personas[persona].tokens or tokens, f"/{persona}"
    found = Door.at("127.0.0.1", port, tokens[0] if tokens else "")
    return replace(found, url=found.url + path)


def tables(settings: Settings, persona: str) -> dict[str, dict[str, Any]]:
    """What bridge.toml says of tools, for one persona."""
    found = settings.of_persona(persona).tools
    return {name: table.model_dump(exclude_none=True) for name, table in found.items()}
