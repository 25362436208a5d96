"""Tools in a scenario: some give what is written for them, and side effects need a word of ours."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage

from bridge.agent.reply import Reply
from bridge.agent.standin import Tables, is_harmless
from bridge.agent.toolcalls import Result, Run, identity_of
from bridge.errors import ToolError

NOT_RUN: Final = "Not run: this is only a test, which has no result for this tool."


@dataclass(frozen=True, slots=True)
class StubbedResult:
    """What a tool gives, whatever it is asked."""

    result: Any = None
    """A text as it is, anything else as JSON."""
    fails: str | None = None
    """What the model is told instead."""
    seconds: float = 0.0
    """How long it takes."""


class Stubs(AgentMiddleware[Any, Any, Any]):
    """Stands between the agent and its tools."""

    def __init__(self, live: frozenset[str], tables: Callable[[str], Tables]) -> None:
        """`live`: tools that are run, side effects and all. `tables`: bridge.toml, by persona."""
        super().__init__()
        self.results: Mapping[str, StubbedResult] = {}
        """By the names of tools, from now on."""
        self._live = live
        self._tables = tables

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Run) -> Result:
        """Give what is written for a tool; else run it, if it only reads or is meant to be run.

        Raises:
            ToolError: that is what is written for it, or it was not run.
        """
        tool, call = request.tool, request.tool_call
        if tool is None or identity_of(tool, call["args"]) is None:
            return await handler(request)  # which refuses it
        name = call["name"]
        stub = self.results.get(name)
        if stub is not None:
            await asyncio.sleep(stub.seconds)
            if stub.fails is not None:
                raise ToolError(stub.fails)
            return ToolMessage(_written(stub.result), name=name, tool_call_id=str(call["id"]))
        persona = cast("Reply", request.runtime.context).call.persona
        if name in self._live or is_harmless(tool, self._tables(persona).get(name)):
            return await handler(request)
        raise ToolError(NOT_RUN)


def _written(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
