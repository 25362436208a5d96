"""Millis functions as LangChain tools."""

import random
from collections.abc import Mapping
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from bridge import policy
from bridge.call.events import CallData
from bridge.call.ports import CallContext
from bridge.errors import ToolError
from bridge.plugins.millis import arguments
from bridge.plugins.millis.aftercall import KIND, Spool, noted
from bridge.plugins.millis.definition import Definition, read
from bridge.plugins.millis.webhook import Webhook

LATER = "Noted. It is done when the call is over; there is nothing to wait for."
NOTHING = "Done. The service said nothing about it."
WORD_FOR_WORD = "Say just this to the caller, word for word, and nothing else:\n"

_MARK = "millis_function"
_GRACE = 1.0
"""Seconds that the bridge waits longer than the request, which knows better what has happened."""


def defined_tools(content: bytes, spool: Spool) -> list[BaseTool]:
    """The tools of one file.

    Raises:
        ToolRefused: a definition is not fit for use.
    """
    return [_tool(definition, spool) for definition in read(content)]


def _tool(definition: Definition, spool: Spool) -> BaseTool:
    webhook = Webhook(definition)

    async def call(runtime: ToolRuntime[Any], **given: Any) -> str:
        context: CallContext = runtime.context
        chosen = arguments.read(definition, given)
        if definition.run_after_call:
            spool.put(KIND, noted(definition.name, chosen, context.call))
            return LATER
        if definition.execute_after_message and definition.messages:
            await context.say(random.choice(definition.messages))  # noqa: S311 - no secret
        answer = await webhook.call(chosen, context.call)
        if definition.response_mode == "strict" and answer.strip():
            return WORD_FOR_WORD + answer
        return answer.strip() or NOTHING

    tool = StructuredTool(
        name=definition.name,
        description=definition.description,
        args_schema=arguments.schema_of(definition),
        coroutine=call,
        metadata={_MARK: (definition, webhook)},
    )
    seconds = definition.seconds
    return policy(
        timeout=None if seconds is None else seconds + _GRACE,
        filler="" if definition.execute_after_message else "\n".join(definition.messages),
    )(tool)


async def deliver(payload: Mapping[str, Any], tools: Mapping[str, BaseTool]) -> None:
    """Do after a call what a function noted in it; `tools` are those loaded now, by name.

    Raises:
        ToolError: it could not be done. `maybe_done` says whether it may be tried again.
    """
    tool = tools.get(str(payload["tool"]))
    found = (tool.metadata or {}).get(_MARK) if tool is not None else None
    if found is None:
        raise ToolError("there is no such function any more")
    definition, webhook = found
    chosen = arguments.read(definition, payload["arguments"])
    await webhook.call(chosen, CallData(**payload["call"]))
