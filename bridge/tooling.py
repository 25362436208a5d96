"""All tools of a bridge, as the settings have them: those of the folder, and of MCP servers."""

import difflib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.errors import SettingsError
from bridge.plugins.mcp.joined import JoinedTools
from bridge.plugins.mcp.offer import ServerSetup
from bridge.plugins.mcp.servers import McpServers
from bridge.plugins.millis.aftercall import KIND, AfterCalls
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.toolbox import Toolbox
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


def unknown_tables(settings: Settings, toolbox: Toolbox) -> list[str]:
    """Say of each `[tools.NAME]` table that it names no tool that is loaded."""
    names = [tool.name for tool in toolbox.tools]
    return [
        f"{FILE}: [tools.{name}] names no tool that is loaded{_suggestion(name, names)}"
        for name in settings.tools
        if name not in names and not toolbox.may_come(name)
    ]


def _suggestion(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def missing(allow: Collection[str], toolbox: Toolbox) -> list[str]:
    """Tools that a persona names and that are not loaded, nor those of a server that is away."""
    names = {tool.name for tool in toolbox.tools}
    return [name for name in allow if name not in names and not toolbox.may_come(name)]


def name_missing(persona: str | None, tool: str) -> str:
    """Say which persona names a tool that is not there."""
    return f"{FILE}: [personas.{persona}] names the tool {tool!r}, which is not loaded"
