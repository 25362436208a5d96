"""Tools in a replay: what has side effects is not done again, its recorded result stands in."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool

from bridge.agent.asking import ASKED, NOT_ASKED
from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.agent.policy import policy_of
from bridge.agent.reply import Reply
from bridge.agent.toolcalls import Result, Run, identity_of
from bridge.errors import ToolError

NOT_RUN = "Not run: this is a replay, and the record has no result of such a call."

_OURS = frozenset({END_CALL, TRANSFER_CALL})
"""They only touch the call itself, which is a replayed one."""
_QUESTIONS = (ASKED.partition("{")[0], NOT_ASKED)
"""How results begin where the caller was asked, or should have been."""
Tables = Mapping[str, Mapping[str, Any]]
"""Policies, by the names of tools."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One use of a tool, as it was."""

    name: str
    arguments: Mapping[str, Any]
    result: str
    outcome: str | None
    """None if the process died under it."""
    seconds: float

    @property
    def was_question(self) -> bool:
        """Whether it was not done, because the caller had to be asked first."""
        return self.outcome == "refused" and self.result.startswith(_QUESTIONS)


class StandIn(AgentMiddleware[Any, Any, Any]):
    """Stands between the agent and its tools; an equal call gets the recorded result, once each."""

    def __init__(
        self,
        runs: Iterable[RecordedRun],
        *,
        fast: bool = False,
        tables: Callable[[str], Tables] = lambda _: {},
    ) -> None:
        """`fast`: results come at once. `tables`: what bridge.toml says of tools, by persona."""
        super().__init__()
        self.unknown: list[tuple[str, Mapping[str, Any]]] = []
        """Calls, by name and arguments, that were not run and are not on record."""
        self._runs = [run for run in runs if not run.was_question]
        self._fast = fast
        self._tables = tables

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Run) -> Result:
        """Run a tool that only reads; of any other one, give what is on record.

        Raises:
            ToolError: it failed then, or there is nothing on record.
        """
        tool, call = request.tool, request.tool_call
        name, arguments = call["name"], call["args"]
        reply = cast("Reply", request.runtime.context)
        table = self._tables(reply.call.persona).get(name)
        if tool is None or is_harmless(tool, table):
            return await handler(request)
        run = self._take(tool, name, arguments)
        if run is None:
            self.unknown.append((name, arguments))
            raise ToolError(NOT_RUN)
        if run.outcome in (None, "cancelled"):
            await asyncio.Event().wait()  # until the caller speaks, or its time is up
        await asyncio.sleep(0 if self._fast else run.seconds)
        if run.outcome in ("failed", "timeout"):
            raise ToolError(run.result, maybe_done=run.outcome == "timeout")
        status: Any = "success" if run.outcome == "ok" else "error"
        return ToolMessage(run.result, name=name, tool_call_id=str(call["id"]), status=status)

    def _take(self, tool: BaseTool, name: str, arguments: Mapping[str, Any]) -> RecordedRun | None:
        """The first equal use that was not given yet."""
        wanted = _identity(tool, arguments)
        for run in self._runs:
            if run.name == name and _identity(tool, run.arguments) == wanted:
                self._runs.remove(run)
                return run
        return None


def is_harmless(tool: BaseTool, table: Mapping[str, Any] | None) -> bool:
    """Whether it may be run, though the call is only played. `table`: what bridge.toml says."""
    return tool.name in _OURS or policy_of(tool, table).read_only


def _identity(tool: BaseTool, arguments: Mapping[str, Any]) -> str:
    """The arguments as the tool reads them; as they are where it refuses them."""
    read = identity_of(tool, arguments)
    return json.dumps(arguments, sort_keys=True, default=repr) if read is None else read
