"""Running tools: in tasks that the call owns, once, inside a time limit, told to the model."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, cast

import structlog
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langgraph.types import Command
from pydantic import BaseModel, ValidationError

from bridge.agent.asking import ASKED, NOT_ASKED, ONE_AT_A_TIME, UNFIT, question_of
from bridge.agent.policy import Policy
from bridge.agent.reply import Reply
from bridge.call.ledger import ToolOutcome, ToolUse
from bridge.call.notes import WITHDRAWN
from bridge.errors import ToolError

_log = structlog.get_logger(__name__)

MAX_RESULT_CHARS = 16_000
"""Of a tool's result, what the model gets to read: about 4,000 tokens."""

FAILED = "The tool failed. Tell the caller that this did not work just now."
TIMED_OUT = "The tool took too long and was given up. It may or may not have been done."
STOPPED = "Stopped: the caller spoke before it was done."

Result = ToolMessage | Command[Any]
Run = Callable[[ToolCallRequest], Awaitable[Result]]

_DEFAULT = Policy()


class ToolCalls(AgentMiddleware[Any, Any, Any]):
    """Wraps each tool call of the agent; shared by all calls, state is in the `Reply`."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        super().__init__()
        self._policies = policies

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Run) -> Result:
        """Run one tool; an interrupt ends the waiting, and the tool only if its policy says so."""
        reply: Reply = cast("Reply", request.runtime.context)
        call = request.tool_call
        refusal = reply.refused.get(str(call["id"]))
        if refusal is not None:
            return _told(request, refusal, failed=True)
        if request.tool is None:
            return await handler(request)  # it says that there is no such tool
        policy = self._policies.get(call["name"], _DEFAULT)
        if policy.acts:
            await reply.voice.certain()
        identify = partial(identity_of, request.tool)
        identity = identify(call["args"]) if policy.guarded else None
        if identity is not None:
            earlier = reply.voice.same_use(call["name"], identity, identify)
            if earlier is not None:
                return await _recorded(request, reply, earlier)
        if policy.confirm and (instead := await _ask_first(request, request.tool, reply, policy)):
            return instead
        use: ToolUse | None = None

        def run(started: ToolUse) -> Coroutine[Any, Any, Result]:
            nonlocal use
            use = started
            return self._run(request, handler, reply, policy, started)

        task = reply.voice.start_tool(
            run,
            name=call["name"],
            arguments=call["args"],
            identity=identity,
            filler=policy.filler,
            policy=policy.in_words,
            limit=policy.timeout or reply.limits.tool_timeout,
        )
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if use is None or not use.begun or _may_stop(request.tool, policy):
                task.cancel()
            raise
        return task.result()

    async def _run(
        self, request: ToolCallRequest, handler: Run, reply: Reply, policy: Policy, use: ToolUse
    ) -> Result:
        time = asyncio.get_running_loop().time
        began = time()
        outcome: ToolOutcome = "cancelled"
        result: Result = _told(request, STOPPED, failed=True)
        try:
            async with reply.parallel:
                use.begun = True
                seconds = policy.timeout or reply.limits.tool_timeout
                result, outcome = await _outcome(request, handler, seconds)
        finally:
            took = time() - began
            text = _readable(result) if use.begun else WITHDRAWN
            reply.voice.finish_tool(use, text, outcome, took)
        return result


async def _outcome(
    request: ToolCallRequest, handler: Run, seconds: float
) -> tuple[Result, ToolOutcome]:
    name = request.tool_call["name"]
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            result = _bounded(await handler(request))
    except ToolError as error:
        return _told(request, str(error), failed=True), "timeout" if error.maybe_done else "failed"
    except Exception as error:  # noqa: BLE001 - a tool may raise anything
        if clock.expired():
            _log.warning("tool timed out", tool=name, seconds=seconds)
            return _told(request, TIMED_OUT, failed=True), "timeout"
        _log.warning("tool failed", tool=name, error=type(error).__name__)
        _log.debug("tool failed", tool=name, exc_info=error)
        return _told(request, FAILED, failed=True), "failed"
    refused = isinstance(result, ToolMessage) and result.status == "error"
    return result, ("refused" if refused else "ok")


async def _recorded(request: ToolCallRequest, reply: Reply, use: ToolUse) -> ToolMessage:
    """The result of an equal call, once it is there, instead of a second run."""
    if use.task is not None:
        await asyncio.wait({use.task})
    reply.voice.read(use)
    _log.info("tool not run twice", tool=use.name)
    result = TIMED_OUT if use.result is None else use.result
    return _told(request, result, failed=use.outcome != "ok")


async def _ask_first(
    request: ToolCallRequest, tool: BaseTool, reply: Reply, policy: Policy
) -> ToolMessage | None:
    """Ask the caller instead of running the tool; None if they have agreed already.

    The record has it as a use that was refused.
    """
    call = request.tool_call
    arguments, identity = _read(tool, call["args"]), identity_of(tool, call["args"])
    if arguments is None or identity is None:
        return _told(request, UNFIT, failed=True)
    if reply.voice.agreed(call["name"], identity):
        return None
    if reply.asked:
        return _told(request, ONE_AT_A_TIME, failed=True)
    reply.asked = True
    question = question_of(policy.confirm, arguments)

    async def ask(use: ToolUse) -> ToolMessage:
        try:
            await reply.voice.ask(use, question)
        finally:
            text = ASKED.format(question=question) if use.question else NOT_ASKED
            reply.voice.finish_tool(use, text, "refused", 0.0)
        return _told(request, text, failed=False)

    task = reply.voice.start_tool(
        ask,
        name=call["name"],
        arguments=call["args"],
        identity=identity,
        filler="",
        policy=policy.in_words,
    )
    await asyncio.wait({task})
    return task.result()


def _may_stop(tool: BaseTool, policy: Policy) -> bool:
    """Whether an interrupt ends it. A thread goes on to its end, so its outcome is waited for."""
    in_thread = getattr(tool, "func", None) is not None
    return policy.stops and not (in_thread and policy.guarded)


def _read(tool: BaseTool, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments as the tool's schema reads them; None if it refuses them."""
    schema = tool.tool_call_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        try:
            read = schema.model_validate(arguments)
        except ValidationError:
            return None
        return {name: getattr(read, name) for name in schema.model_fields}
    return arguments


def identity_of(tool: BaseTool, arguments: Mapping[str, Any]) -> str | None:
    """The arguments as text that is equal for equal ones; None if the tool refuses them."""
    read = _read(tool, arguments)
    return None if read is None else json.dumps(read, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """What JSON has no form for, as something that is equal for equal values."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    return repr(value)


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
    if not isinstance(result, ToolMessage):
        return result
    content = result.content
    if isinstance(content, list):
        if not content:
            content = "[]"
        elif len(result.text) > MAX_RESULT_CHARS or all(map(_is_text, content)):
            content = str(result.text)
        else:
            return result  # pictures and the like
    return result.model_copy(update={"content": _clean(content)})


def _is_text(block: object) -> bool:
    return isinstance(block, str) or (isinstance(block, dict) and block.get("type") == "text")


def _clean(text: str) -> str:
    if len(text) > MAX_RESULT_CHARS:
        text = f"{text[:MAX_RESULT_CHARS]} … (cut)"
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _readable(result: Result) -> str:
    """The words of a result: images and the like are not kept."""
    if isinstance(result, ToolMessage):
        return _clean(str(result.text))
    messages = result.update.get("messages", []) if isinstance(result.update, dict) else []
    return _clean("\n".join(str(m.text) for m in messages if isinstance(m, ToolMessage)))
