"""All tools of a bridge, as the settings have them: those of the folder, and of MCP servers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.errors import SettingsError
from bridge.plugins.mcp.joined import JoinedTools
from bridge.plugins.mcp.offer import ServerSetup
from bridge.plugins.mcp.servers import McpServers
from bridge.plugins.millis.aftercall import KIND, AfterCalls
from bridge.plugins.shelf import ToolShelf
from bridge.settings import FILE, Settings

if TYPE_CHECKING:
    from bridge.store.deliveries.aftercalls import SpooledAfterCalls
    from bridge.store.deliveries.deliveries import Deliveries

RESERVED: Final = frozenset({END_CALL, TRANSFER_CALL})
"""Names of the bridge's own tools."""


def mcp_servers(settings: Settings) -> McpServers:
    """The servers of the `[mcp.NAME]` tables, not yet connected.

    Raises:
        SettingsError: there are some, and the packages to speak to them are not installed.
    """
    if not settings.mcp:
        return McpServers([])
    try:
        from bridge.plugins.mcp.server import McpServer  # noqa: PLC0415 - it takes a second
    except ImportError:
        raise SettingsError(
            f"{FILE}: [mcp.{next(iter(settings.mcp))}] needs packages that are not installed: "
            "pip install 'millis-bridge[mcp]'"
        ) from None
    setups = (ServerSetup(name, **table.plain()) for name, table in settings.mcp.items())
    return McpServers([McpServer(setup) for setup in setups])


def joined(shelf: ToolShelf, servers: McpServers) -> JoinedTools:
    """The tools of both."""
    return JoinedTools(lambda: shelf.current, lambda: servers.offers, RESERVED)


def after_calls(
    deliver: Callable[[Mapping[str, Any]], Awaitable[None]], deliveries: "Deliveries | None"
) -> "AfterCalls | SpooledAfterCalls":
    """Who does what functions have noted; in memory if nothing of a call may be written."""
    if deliveries is None:
        return AfterCalls(deliver)
    from bridge.store.deliveries.aftercalls import SpooledAfterCalls  # noqa: PLC0415 - SQLAlchemy takes 0.4 s

    return SpooledAfterCalls(KIND, deliver, deliveries)
