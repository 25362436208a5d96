"""Running tools: in tasks that the call owns, inside a time limit, told to the model in words."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

import structlog
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.types import Command

from bridge.agent.reply import Reply
from bridge.call.ports import ToolBegun, ToolFinished
from bridge.errors import ToolError

_log = structlog.get_logger(__name__)

MAX_RESULT_CHARS = 16_000
"""Of a tool's result, what the model gets to read: about 4,000 tokens."""

FAILED = "The tool failed. Tell the caller that this did not work just now."
TIMED_OUT = "The tool took too long and was given up. It may or may not have been done."

Outcome = Literal["ok", "failed", "timeout", "refused"]
Result = ToolMessage | Command[Any]
Run = Callable[[ToolCallRequest], Awaitable[Result]]


class ToolCalls(AgentMiddleware[Any, Any, Any]):
    """Wraps each tool call of the agent; shared by all calls, state is in the `Reply`."""

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Run) -> Result:
        """Run one tool; an interrupt ends the waiting, not the tool."""
        reply: Reply = cast("Reply", request.runtime.context)
        refusal = reply.refused.get(str(request.tool_call["id"]))
        if refusal is not None:
            return _told(request, refusal, failed=True)
        # Here and not in the tool's task: an interrupted turn must not begin the tools that queue.
        await reply.parallel.acquire()
        task = reply.voice.start_tool(self._run(request, handler, reply))
        task.add_done_callback(lambda _: reply.parallel.release())
        await asyncio.wait({task})
        return task.result()

    async def _run(self, request: ToolCallRequest, handler: Run, reply: Reply) -> Result:
        call = request.tool_call
        identity, name = str(call["id"]), call["name"]
        reply.voice.tell(ToolBegun(identity, name, call["args"]))
        began = time.monotonic()
        result, outcome = await self._outcome(request, handler, reply)
        seconds = time.monotonic() - began
        text = _readable(result)
        reply.voice.tell(ToolFinished(identity, name, text, outcome, seconds))
        return result

    async def _outcome(
        self, request: ToolCallRequest, handler: Run, reply: Reply
    ) -> tuple[Result, Outcome]:
        name = request.tool_call["name"]
        limits = reply.limits
        seconds = (limits.tool_timeouts or {}).get(name, limits.tool_timeout)
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                result = _bounded(await handler(request))
        except ToolError as error:
            return _told(request, str(error), failed=True), "failed"
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            if clock.expired():
                _log.warning("tool timed out", tool=name, seconds=seconds)
                return _told(request, TIMED_OUT, failed=True), "timeout"
            _log.warning("tool failed", tool=name, error=type(error).__name__)
            _log.debug("tool failed", tool=name, exc_info=error)
            return _told(request, FAILED, failed=True), "failed"
        refused = isinstance(result, ToolMessage) and result.status == "error"
        return result, ("refused" if refused else "ok")


def _told(request: ToolCallRequest, text: str, *, failed: bool) -> ToolMessage:
    call = request.tool_call
    return ToolMessage(
        content=_clean(text),
        name=call["name"],
        tool_call_id=str(call["id"]),
        status="error" if failed else "success",
    )


def _bounded(result: Result) -> Result:
    """Cut what is too long to read, and replace what no server accepts."""
    if isinstance(result, ToolMessage):
        content = _plain(result)
        if isinstance(content, str):
            return result.model_copy(update={"content": _clean(content)})
    return result


def _plain(result: ToolMessage) -> str | list[str | dict[str, Any]]:
    """Make one text of blocks that are nothing else; servers refuse an empty list of blocks."""
    content = result.content
    if isinstance(content, str):
        return content
    if all(isinstance(block, str) or block.get("type") == "text" for block in content):
        return str(result.text) if content else "[]"
    return content


def _clean(text: str) -> str:
    if len(text) > MAX_RESULT_CHARS:
        text = f"{text[:MAX_RESULT_CHARS]} … (cut)"
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _readable(result: Result) -> str:
    return str(result.text) if isinstance(result, ToolMessage) else ""
