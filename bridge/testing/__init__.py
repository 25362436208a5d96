"""Tests of one's own agent: calls held in pytest, in no time. See docs/testing.md.

The fixtures come by themselves where this package is installed; the names here are for annotations,
and for what a test makes itself.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.agent.scripted import Asked, ScriptedMessage, ScriptedModel
    from bridge.agent.stubs import StubbedResult
    from bridge.local.speaking import Habits
    from bridge.testing.calls import Calls
    from bridge.testing.reply import Reply
    from bridge.testing.talk import Talk
    from bridge.testing.witness import ToolUsed

__all__ = [
    "Asked",
    "Calls",
    "Habits",
    "Reply",
    "ScriptedMessage",
    "ScriptedModel",
    "StubbedResult",
    "Talk",
    "ToolUsed",
]

_HOMES = {
    "Asked": "bridge.agent.scripted",
    "Calls": "bridge.testing.calls",
    "Habits": "bridge.local.speaking",
    "Reply": "bridge.testing.reply",
    "ScriptedMessage": "bridge.agent.scripted",
    "ScriptedModel": "bridge.agent.scripted",
    "StubbedResult": "bridge.agent.stubs",
    "Talk": "bridge.testing.talk",
    "ToolUsed": "bridge.testing.witness",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is, so that pytest starts as fast as without this."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the point of this function

    return getattr(import_module(_HOMES[name]), name)
