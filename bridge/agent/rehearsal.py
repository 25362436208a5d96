"""What is otherwise in a bridge that only replays a call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain.agents.middleware import AgentMiddleware

from bridge.agent.chain import NamedModel
from bridge.call.earlier import Earlier, NoEarlier
from bridge.call.events import Record

Middleware = AgentMiddleware[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A bridge that is given one keeps no record of its own, and reads none."""

    record: Callable[[], Record]
    """Where calls go instead."""
    earlier: Earlier = field(default_factory=NoEarlier)
    """What calls remember."""
    models: tuple[NamedModel, ...] = ()
    """Who answers; none for the models of the settings."""
    middleware: tuple[Middleware, ...] = ()
    """Stands between the agent and its tools."""
