"""What a case is, and all that there are."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults import cases

if TYPE_CHECKING:
    from tests.faults.scene import Scene

Play = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong on a live call, and what must come of it."""

    id: str
    """As in the catalogue; several cases may share one."""
    title: str
    play: Play
    without: Mapping[str, str] = field(default_factory=dict)
    """Oracles that do not apply, and why not."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that need a bridge of their own."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Tools and prompts that do, by their paths."""
    long: bool = False
    """Whether it is played in `make soak` alone."""

    @property
    def section(self) -> str:
        return self.id[0]

    @property
    def name(self) -> str:
        """Its name for pytest: `-k A23` finds it."""
        return f"{self.id}-{self.title.replace(' ', '_')}"


_CASES: list[Case] = []


def case(
    id: str,
    title: str,
    *,
    without: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    long: bool = False,
    **settings: Any,
) -> Callable[[Play], Play]:
    """Register a case. With files or settings it gets a bridge of its own; else it shares one.

    One that takes `long` is played where every trial is, in `make soak`.
    """

    def register(play: Play) -> Play:
        _CASES.append(Case(id, title, play, without or {}, settings, files or {}, long))
        return play

    return register


def every_case() -> list[Case]:
    """All of them, from every file in `cases`."""
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"{cases.__name__}.{module.name}")
    return sorted(_CASES, key=lambda case: (case.section, int(case.id[1:])))
