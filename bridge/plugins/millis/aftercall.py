"""What functions have to do when a call is over (`run_after_call`)."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, Self

import structlog

from bridge.call.events import CallData, CallEnded, CallEvent
from bridge.errors import ToolError

log = structlog.get_logger(__name__)

KIND = "millis_function"
"""What such a delivery is called in a spool."""


class Spool(Protocol):
    """Takes what is to be done after a call."""

    def put(self, kind: str, payload: Mapping[str, Any]) -> object:
        """Keep it: plain JSON as `noted` makes it. Never waits.

        Raises:
            ToolError: it cannot be kept.
        """


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
    """A spool in memory: what was noted in a call is done when it ends, once.

    It is for a bridge that keeps nothing of calls: what was noted is lost if the process dies. Else
    `store.aftercalls` does this. It watches calls (events.Observer) to know when they end.
    """

    def __init__(self, deliver: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._noted: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._under_way = set[asyncio.Task[None]]()
        self._counts = Counter[str]()

    def put(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Keep it until the call ends."""
        self._noted[payload["call"]["session_id"]].append(payload)

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note of what happens: a call that goes on elsewhere has not ended."""
        if isinstance(event, CallEnded) and event.ending != "replaced":
            self._do(call.session_id)

    async def __aenter__(self) -> Self:
        """Nothing is left from before."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is left; when this returns, no task of it is alive."""
        for session in list(self._noted):
            self._do(session)
        while self._under_way:
            await asyncio.wait(self._under_way)

    def status(self) -> dict[str, int]:
        """How it goes, for `/healthz`."""
        return {
            "waiting": sum(map(len, self._noted.values())) + len(self._under_way),
            "done": self._counts["done"],
            "uncertain": self._counts["uncertain"],
            "failed_attempts": self._counts["given_up"],
            "given_up": self._counts["given_up"],
        }

    def _do(self, session: str) -> None:
        for payload in self._noted.pop(session, ()):
            task = asyncio.create_task(self._one(payload), name="after call")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _one(self, payload: Mapping[str, Any]) -> None:
        try:
            await self._deliver(payload)
            self._counts["done"] += 1
        except ToolError as error:
            self._counts["uncertain" if error.maybe_done else "given_up"] += 1
            log.error(  # noqa: TRY400 - its text is for the model
                "not done after the call", tool=payload["tool"], maybe_done=error.maybe_done
            )
