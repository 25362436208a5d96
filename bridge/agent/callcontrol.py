"""The bridge's own tools: hang up, and hand the caller over to a number from the settings."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import Field

from bridge.agent.policy import policy
from bridge.call.ports import Action

END_CALL = "end_call"
TRANSFER_CALL = "transfer_call"


def call_control(*, end_call: bool, destinations: Mapping[str, str]) -> list[BaseTool]:
    """The tools that the settings allow."""
    tools: list[BaseTool] = []
    if end_call:
        tools.append(_end_call())
    if destinations:
        tools.append(_transfer_call(destinations))
    unguarded = policy(once=False)  # asking again costs nothing: it is done once, at the end
    return [unguarded(tool) for tool in tools]


def _end_call() -> BaseTool:
    async def end_call(runtime: ToolRuntime[Any]) -> str:
        """End the phone call, when the caller has said goodbye or wants to hang up."""
        runtime.context.request(Action("end_call"))
        return "The call ends after your next words. Say a short goodbye."

    return StructuredTool.from_function(coroutine=end_call, name=END_CALL)


def _transfer_call(destinations: Mapping[str, str]) -> BaseTool:
    # The model picks a name; the number comes from the settings, whatever a caller talks it into.
    async def transfer_call(destination: str, runtime: ToolRuntime[Any]) -> str:
        """Transfer the caller to a person or a department, when they ask for it."""
        runtime.context.request(Action("transfer_call", destinations[destination]))
        return "The call is transferred after your next words. Tell the caller briefly."

    names: Any = Literal[tuple(destinations)]
    whom = Field(description="Whom to transfer the caller to.")
    transfer_call.__annotations__["destination"] = Annotated[names, whom]
    return StructuredTool.from_function(coroutine=transfer_call, name=TRANSFER_CALL)
