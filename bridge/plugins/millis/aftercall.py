"""What functions have to do when a call is over (`run_after_call`)."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from bridge.call.events import CallData, CallEnded, CallEvent
from bridge.errors import ToolError

log = structlog.get_logger(__name__)

KIND = "millis_function"
"""What such a delivery is called in a spool."""


class Spool(Protocol):
    """Takes what is to be done after a call."""

    def put(self, kind: str, payload: Mapping[str, Any]) -> object:
        """Keep it: plain JSON, with the call's `session_id` under `call`. Never waits."""


class NoSpool:
    """Takes nothing: the tools are only looked at."""

    def put(self, kind: str, payload: Mapping[str, Any]) -> object:
        """Refuse it.

        Raises:
            ToolError: always.
        """
        raise ToolError("Nothing can be noted for after the call.")


def noted(tool: str, arguments: Mapping[str, Any], call: CallData) -> dict[str, Any]:
    """What `tools.deliver` needs to know; no secret of the definition is in it."""
    return {
        "tool": tool,
        "arguments": dict(arguments),
        "call": {
            "session_id": call.session_id,
            "agent_id": call.agent_id,
            "caller": call.caller,
            "called": call.called,
            "metadata": dict(call.metadata),
        },
    }


class AfterCalls:
    """A spool in memory: what was noted in a call is done when it ends. Lost if the process dies.

    It watches calls (events.Observer) to know when they end.
    """

    def __init__(self, deliver: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._noted: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._under_way = set[asyncio.Task[None]]()

    def put(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Keep it until the call ends."""
        self._noted[payload["call"]["session_id"]].append(payload)

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note of what happens: a call that goes on elsewhere has not ended."""
        if isinstance(event, CallEnded) and event.ending != "replaced":
            self._do(call.session_id)

    async def finished(self) -> None:
        """Do what is left; when this returns, no task of it is alive."""
        for session in list(self._noted):
            self._do(session)
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _do(self, session: str) -> None:
        for payload in self._noted.pop(session, ()):
            task = asyncio.create_task(self._one(payload), name="after call")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _one(self, payload: Mapping[str, Any]) -> None:
        try:
            await self._deliver(payload)
        except ToolError as error:
            log.error(  # noqa: TRY400 - the text says it all
                "not done after the call", tool=payload["tool"], maybe_done=error.maybe_done
            )
