"""A real MCP server, for tests: `python -m tests.mcp_server FOLDER [PORT]`, stdio without a port.

Its tools note in files of the folder what they do, and wait for files there.
"""

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ContentBlock, ImageContent, TextContent

HERE = Path(sys.argv[1])
AnyContext = Context[Any, Any, Any]
server = FastMCP("shop", log_level="ERROR")


def note(name: str, text: str) -> None:
    with (HERE / name).open("a") as file:
        file.write(text + "\n")


@server.tool()
async def find_order(number: str, urgent: bool = False) -> str:
    """Look up where an order is."""
    note("found", f"{number} {urgent}")
    return f"order {number} is packed"


@server.tool()
async def wait_for(name: str) -> str:
    """Wait until a file is there."""
    note("waiting", name)
    try:
        while not (HERE / name).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note("cancelled", name)
        raise
    return f"{name} is there"


@server.tool()
async def refuse(state: str) -> str:
    """Say no."""
    raise ValueError(state)


@server.tool()
async def picture() -> list[ContentBlock]:
    """Show something."""
    data = base64.b64encode(b"x" * 100_000).decode()
    return [
        ImageContent(type="image", data=data, mimeType="image/png"),
        TextContent(type="text", text="a lamp"),
    ]


@server.tool()
async def environment(name: str) -> str:
    """Tell a variable."""
    return os.environ.get(name, "none")


@server.tool()
async def header(name: str, context: AnyContext) -> str:
    """Tell a header of the request."""
    request = context.request_context.request
    return str(request.headers.get(name)) if request is not None else "no request"


@server.tool()
async def grow(context: AnyContext) -> str:
    """Get another tool."""

    def grown() -> str:
        """Be new."""
        return "new"

    server.add_tool(grown)
    await context.session.send_tool_list_changed()
    return "grown"


@server.tool()
async def take_runtime(runtime: str) -> str:
    """Take what LangChain fills in itself."""
    return runtime


@server.tool(name="odd name/with.more", description="x" * 5000)
async def odd() -> str:
    return "odd"


if __name__ == "__main__":
    note("started", str(os.getpid()))
    print("a line that is no message", file=sys.stderr)  # noqa: T201
    if len(sys.argv) > 2:
        server.settings.port = int(sys.argv[2])
        server.run("streamable-http")
    else:
        server.run()
