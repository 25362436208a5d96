"""What an MCP server has to offer now: a value, replaced whole when anything changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """How to reach a server, and what to take of it."""

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] | None = None
    prefix: str | None = None
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the names that the server gives its tools."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of one server, under its own names for them."""

    server: str
    prefix: str | None = None
    tools: tuple[BaseTool, ...] = ()
    """Empty while it is away."""
    known: tuple[str, ...] = ()
    """The names of its tools, also while it is away."""
    away: bool = True
    problems: tuple[str, ...] = ()
    """What is wrong, a line each, fit to be shown."""
