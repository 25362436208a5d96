"""All tools that loaded, as one value: a turn keeps the toolbox that it began with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from langchain_core.tools import BaseTool

from bridge.plugins.failures import ToolFailure


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Every tool in use, and every file that could not be used."""

    version: int = 0
    tools: tuple[BaseTool, ...] = ()
    """By file in sorted order, then as they stand in the file."""
    failures: tuple[ToolFailure, ...] = ()
    files: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    """Which file each tool comes from, by the tool's name."""
    away: frozenset[str] = frozenset()
    """Tools of servers that are not there just now."""
    more_may_come: bool = False
    """Whether there is a server of which nobody knows what it has."""

    def may_come(self, name: str) -> bool:
        """Whether a tool that is not there may belong to a server that is away."""
        return self.more_may_come or name in self.away


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool as its module has it, and as the bridge uses it."""

    original: BaseTool
    adapted: BaseTool
    home: str
    """The module that defines it; another one may have imported it."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The tools of one module that passed every check."""

    module: str
    file: Path
    tools: tuple[FoundTool, ...]


class Assembly:
    """Puts files together in order; the file that comes second with a name is refused whole."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = frozenset(reserved)
        self._tools: dict[str, tuple[FoundTool, LoadedFile]] = {}

    def add(self, loaded: LoadedFile) -> str | None:
        """Take all tools of a file, or none; return the reason for none."""
        new = [found for found in loaded.tools if not self._is_here(found)]
        for found in new:
            if reason := self._refusal(found.original.name):
                return reason
        self._tools |= {found.original.name: (found, loaded) for found in new}
        return None

    def toolbox(self, version: int, failures: Iterable[ToolFailure]) -> Toolbox:
        """Close the box."""
        return Toolbox(
            version=version,
            tools=tuple(found.adapted for found, _ in self._tools.values()),
            failures=tuple(failures),
            files=MappingProxyType({name: file.file for name, (_, file) in self._tools.items()}),
        )

    def _is_here(self, found: FoundTool) -> bool:
        """Whether this very tool came with another file, of which this one only imports it."""
        here = self._tools.get(found.original.name)
        if here is None:
            return False
        other, owner = here
        return other.original is found.original or found.home == owner.module

    def _refusal(self, name: str) -> str | None:
        if name in self._reserved:
            return f"the name {name!r} belongs to a tool of the bridge: rename this one"
        if name in self._tools:
            return f"the tool {name!r} is already in {self._tools[name][1].file}: rename one"
        return None
