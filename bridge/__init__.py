"""millis-bridge: answer Millis AI phone calls with your own LangChain agent."""

from typing import TYPE_CHECKING, Any

from bridge.errors import ToolError

if TYPE_CHECKING:
    from bridge.agent.policy import policy
    from bridge.call.ports import CallContext

__all__ = ["CallContext", "ToolError", "__version__", "policy"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what tools ask for when they do, so that `import bridge` stays light."""
    if name == "CallContext":
        from bridge.call.ports import CallContext  # noqa: PLC0415 - the point of this function

        return CallContext
    if name == "policy":
        from bridge.agent.policy import policy  # noqa: PLC0415 - as above

        return policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
