"""What functions have to do when a call is over, on disk until it is done."""

import contextlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import structlog

from bridge.call.events import CallData, CallEnded, CallEvent
from bridge.errors import ToolError
from bridge.store.deliveries import file as files
from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.deliveries.delivering import LAST, Delivering, Outcome
from bridge.store.deliveries.delivery import Delivery, kind_of

log = structlog.get_logger(__name__)

_GRACE: Final = 30.0
"""Seconds that what has begun may still take at the end: it may not be harmless to do it twice."""


class SpooledAfterCalls:
    """A spool on disk: what was noted in a call is done when it ends, by whoever lives then.

    Until then it is held: another process does it only if this one dies. Enter it to begin, and
    leave it when all calls are over. It watches calls (events.Observer) to know when they end.
    """

    def __init__(
        self,
        kind: str,
        deliver: Callable[[Mapping[str, Any]], Awaitable[None]],
        deliveries: Deliveries,
        *,
        last: float = LAST,
    ) -> None:
        self._kind = kind
        self._deliver = deliver
        self._deliveries = deliveries
        self._delivering = Delivering(deliveries, kind, self._attempt, last=last, grace=_GRACE)
        self._held: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._counts = Counter[str]()

    def put(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Keep it until the call ends: it is on disk when this returns.

        Raises:
            ToolError: it is too much.
        """
        key = f"{payload['tool']}-{secrets.token_hex(16)}"
        try:
            held = self._deliveries.hold(kind, key, payload)
        except ValueError as error:
            log.warning("nothing is noted for after the call", tool=payload["tool"], why=str(error))
            raise ToolError("This cannot be noted for after the call: it is too much.") from None
        self._held[payload["call"]["session_id"]].append(held)

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Take note of what happens: a call that goes on elsewhere has not ended."""
        if isinstance(event, CallEnded) and event.ending != "replaced":
            self._release(call.session_id)

    async def __aenter__(self) -> Self:
        """Begin, first of all with what is left from before."""
        self._delivering.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is due, for two seconds at most; the rest is done after the next start."""
        for session in list(self._held):
            self._release(session)
        await self._delivering.stop()

    def status(self) -> dict[str, int]:
        """How it goes, for `/healthz`."""
        return {
            "waiting": self._deliveries.waiting[self._kind],
            "done": self._counts["done"],
            "uncertain": self._counts["uncertain"],
            "failed_attempts": self._delivering.failed,
            "given_up": self._deliveries.given_up[self._kind],
        }

    def _release(self, session: str) -> None:
        for held in self._held.pop(session, ()):
            self._deliveries.put_back(held, held.at)
        self._delivering.wake()

    async def _attempt(self, delivery: Delivery) -> Outcome:
        """Try it once. A function that is gone may come back: its file may just be broken."""
        if delivery.payload is None:  # the machine lost power
            return "hopeless"
        try:
            await self._deliver(delivery.payload)
        except ToolError as error:
            told = {"delivery": delivery.id, "error": type(error).__name__}
            if error.maybe_done:
                log.error("perhaps done after the call; not done again", **told)  # noqa: TRY400 - its text is for the model
                self._counts["uncertain"] += 1
                return "done"
            log.warning("not done after the call; it is tried again", **told)
            return "failed"
        self._counts["done"] += 1
        return "done"


def call_off(folder: Path, kind: str, wanted: Callable[[Mapping[str, Any]], bool]) -> int:
    """Drop what waits of the calls that are `wanted`, also if they are going on; how much.

    What is being tried just now is not tried again.

    Raises:
        OSError: the folder cannot be read, or changed.
    """
    count = 0
    for _, name in files.listed(folder, but=()):
        if kind_of(name) == kind:
            with contextlib.suppress(FileNotFoundError):  # just done
                payload = files.payload(folder / name)
                if payload is not None and wanted(payload["call"]):
                    (folder / name).unlink()
                    count += 1
    return count
