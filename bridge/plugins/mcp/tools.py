"""Tools of an MCP server as LangChain tools. All that a server says of them is foreign text."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession
from mcp.types import CallToolResult, ContentBlock, EmbeddedResource, TextContent
from mcp.types import TextResourceContents as TextResource
from mcp.types import Tool as McpTool

from bridge import policy
from bridge.plugins.checks import ToolRefused, checked
from bridge.plugins.failures import one_line
from bridge.plugins.mcp.offer import ServerSetup

MOST_TOOLS: Final = 128
"""That are taken of one server: models accept no more."""
LONGEST_DESCRIPTION: Final = 1024
LARGEST_SCHEMA: Final = 16_384
"""Characters of JSON."""
DEEPEST_SCHEMA: Final = 20
MOST_PARTS: Final = 2000
"""Of a schema with its references replaced: LangChain does that, and small ones may grow huge."""
MOST_TEXT: Final = 64_000
"""Characters of a result that are looked at; the model gets fewer."""

_OWN: Final = ("runtime", "config", "run_manager")
"""Names of arguments that LangChain fills in itself."""

Call = Callable[[str, dict[str, Any]], Awaitable[CallToolResult]]


def tool_name(name: str) -> str:
    """The name as models accept it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


def tools_of(
    setup: ServerSetup, offered: list[McpTool], session: ClientSession, call: Call
) -> tuple[list[BaseTool], list[str]]:
    """Make tools of what a server offers, and say what cannot be used."""
    tools: dict[str, BaseTool] = {}
    problems: list[str] = []
    allowed = [one for one in offered if setup.allow is None or one.name in setup.allow]
    there = {one.name for one in offered}
    named = (*(setup.allow or ()), *setup.policies)
    problems += [f"it has no tool {name!r}" for name in named if name not in there]
    if len(allowed) > MOST_TOOLS:
        problems.append(f"it has {len(allowed)} tools: only {MOST_TOOLS} are taken; set allow")
    for one in allowed[:MOST_TOOLS]:
        try:
            tool = _tool(one, session, call, setup.policies.get(one.name))
        except (ToolRefused, ValueError, RecursionError) as error:
            problems.append(f"its tool {one.name[:64]!r} is left out: {error}")
        else:
            if tools.setdefault(tool.name, tool) is not tool:
                problems.append(f"its tool {one.name[:64]!r} is left out: {tool.name!r} is there")
    return list(tools.values()), [one_line(problem) for problem in dict.fromkeys(problems)]


def _tool(
    offered: McpTool, session: ClientSession, call: Call, said: Mapping[str, Any] | None
) -> BaseTool:
    _check(offered.inputSchema)

    async def intercept(request: MCPToolCallRequest, handler: object) -> CallToolResult:
        return _words(await call(offered.name, request.args))

    text = offered.description or offered.title or offered.name
    bounded = McpTool(
        name=tool_name(offered.name),
        description=_bounded(text) or offered.name[:64],
        inputSchema={"properties": {}, **offered.inputSchema},
    )
    tool = convert_mcp_tool_to_langchain_tool(session, bounded, tool_interceptors=[intercept])
    # Its hints, such as `readOnlyHint`, are not believed: bridge.toml says what a tool may do.
    return checked([policy(**said or {})(tool)], lambda _: None)[0]


def _bounded(text: str) -> str:
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in text).strip()
    if len(printable) <= LONGEST_DESCRIPTION:
        return printable
    return printable[: LONGEST_DESCRIPTION - 1] + "…"


def _check(schema: Mapping[str, Any]) -> None:
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise ToolRefused("its arguments are not an object")
    if len(json.dumps(schema)) > LARGEST_SCHEMA or _is_huge(schema):
        raise ToolRefused("the description of its arguments is too large")
    for name in _OWN:
        if name in properties:
            raise ToolRefused(f"an argument cannot be called {name!r} here")


def _is_huge(schema: Mapping[str, Any]) -> bool:
    left: list[tuple[object, int, frozenset[str]]] = [(schema, 0, frozenset())]
    for _ in range(MOST_PARTS):
        if not left:
            return False
        part, depth, followed = left.pop()
        if depth > DEEPEST_SCHEMA:
            return True
        inside = part if isinstance(part, list) else ()
        if isinstance(part, dict):
            inside = list(part.values())
            reference = part.get("$ref")
            if isinstance(reference, str) and reference not in followed:
                left.append((_target(schema, reference), depth + 1, followed | {reference}))
        left += [(one, depth + 1, followed) for one in inside]
    return True


def _target(schema: Mapping[str, Any], reference: str) -> object:
    found: object = schema
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _words(result: CallToolResult) -> CallToolResult:
    """Only the text of a result: a caller cannot be shown a picture."""
    texts = [text for block in result.content if (text := _text(block))]
    if not texts and result.structuredContent is not None:
        texts = [json.dumps(result.structuredContent, ensure_ascii=False)]
    if not texts:
        texts = ["It failed without a word." if result.isError else "Done. There is no text in it."]
    content: list[ContentBlock] = [TextContent(type="text", text="\n".join(texts)[:MOST_TEXT])]
    return CallToolResult(content=content, isError=result.isError)


def _text(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, EmbeddedResource) and isinstance(block.resource, TextResource):
        return block.resource.text
    return ""
