"""millis-bridge: answer Millis AI phone calls with your own LangChain agent."""

from typing import TYPE_CHECKING, Any

from bridge.errors import ToolError

if TYPE_CHECKING:
    from bridge.call.ports import CallContext

__all__ = ["CallContext", "ToolError", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `CallContext` when a tool asks for it, so that `import bridge` stays light."""
    if name == "CallContext":
        from bridge.call.ports import CallContext  # noqa: PLC0415 - the point of this function

        return CallContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
