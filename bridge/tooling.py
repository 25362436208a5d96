"""All tools of a bridge, as the settings have them: those of the folder, and of MCP servers."""

from typing import Final

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.errors import SettingsError
from bridge.plugins.mcp.joined import JoinedTools
from bridge.plugins.mcp.offer import ServerSetup
from bridge.plugins.mcp.servers import McpServers
from bridge.plugins.shelf import ToolShelf
from bridge.settings import FILE, Settings

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
