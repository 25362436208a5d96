"""What a server says of its tools is bounded before anybody reads it."""

import time
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from mcp import ClientSession
from mcp.types import CallToolResult, Tool

from bridge.agent.policy import policy_of
from bridge.plugins.mcp.offer import ServerSetup
from bridge.plugins.mcp.tools import MOST_TOOLS, tools_of


async def call(_: str, __: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[])


def made(*offered: Tool, **setup: Any) -> tuple[list[BaseTool], list[str]]:
    session: ClientSession = object.__new__(ClientSession)
    return tools_of(ServerSetup("shop", command="x", **setup), list(offered), session, call)


def tool(name: str = "a", schema: dict[str, Any] | None = None, **more: Any) -> Tool:
    return Tool(name=name, inputSchema=schema or {"type": "object"}, **more)


def nested(levels: int) -> dict[str, Any]:
    """A small schema that grows by two with each level when its references are replaced."""
    halves: dict[str, Any] = {
        f"l{i}": {"properties": {side: {"$ref": f"#/$defs/l{i + 1}"} for side in "ab"}}
        for i in range(levels)
    }
    halves[f"l{levels}"] = {"type": "string"}
    return {"type": "object", "properties": {"x": {"$ref": "#/$defs/l0"}}, "$defs": halves}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return {"type": "object", "properties": {"x": schema}}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string"}, "not an object"),
        ({"type": "object", "properties": ["x"]}, "not an object"),
        ({"type": "object", "description": "x" * 20_000}, "too large"),
        (nested(30), "too large"),
        (deep(40), "too large"),
        (deep(400), "too large"),
        ({"type": "object", "properties": {"x": {"$ref": "http://x/y"}}}, "no schema"),
        ({"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}}, "no schema"),
        ({"type": "object", "properties": {"config": {}}}, "'config'"),
    ],
)
def test_arguments_that_cannot_be_used_leave_the_tool_out(
    schema: dict[str, Any], reason: str
) -> None:
    began = time.perf_counter()
    tools, (problem,) = made(tool("good"), tool("bad", schema))
    assert time.perf_counter() - began < 5
    assert [one.name for one in tools] == ["good"]
    assert problem.startswith("its tool 'bad' is left out: ")
    assert reason in problem


def test_a_type_that_holds_itself_can_be_used() -> None:
    node = {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    }
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}
    tools, problems = made(tool("tree", schema))
    assert (len(tools), problems) == (1, [])


def test_only_so_many_tools_are_taken() -> None:
    tools, (problem,) = made(*(tool(f"t{i}") for i in range(MOST_TOOLS + 1)))
    assert len(tools) == MOST_TOOLS
    assert "129 tools" in problem


def test_two_names_that_become_one_are_told_apart_by_leaving_one_out() -> None:
    tools, (problem,) = made(tool("a b"), tool("a.b"))
    assert [one.name for one in tools] == ["a_b"]
    assert "'a.b' is left out: 'a_b' is there" in problem


def test_a_tool_without_a_description_is_described_by_its_name() -> None:
    (one,), _ = made(tool("find", description=" \n"))
    assert one.description == "find"
    (one,), _ = made(tool("find", description="a\x00b\x1b[31m"))
    assert one.description == "a b [31m"


def test_hints_of_the_server_are_not_believed() -> None:
    hints = {"readOnlyHint": True, "bridge_policy": {"read_only": True}}
    (one,), _ = made(Tool.model_validate({**tool().model_dump(), "annotations": hints}))
    assert not policy_of(one).read_only


def test_a_policy_that_does_not_fit_leaves_the_tool_out() -> None:
    tools, problems = made(tool("pay"), policies={"pay": {"confirm": "Shall I pay {sum}?"}})
    assert tools == []
    assert "the tool has no argument 'sum'" in problems[0]
    assert made(tool("pay"), policies={"pai": {}})[1] == ["it has no tool 'pai'"]
