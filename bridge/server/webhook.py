"""The webhook: each call that has ended is sent to an address, until that takes it.

Any 2xx within ten seconds means that it was taken; anything else, and it is sent again.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import structlog

from bridge import __version__
from bridge.errors import SettingsError
from bridge.server.letter import EVENT, signed
from bridge.store.chores import Chore
from bridge.store.deliveries import Deliveries
from bridge.store.delivery import Delivery
from bridge.store.errors import DatabaseAway
from bridge.store.shapes import CallDetail

if TYPE_CHECKING:
    from bridge.store.archive import Archive

log = structlog.get_logger(__name__)

_TIMEOUT: Final = 10.0
"""Seconds that a receiver may take."""
_AT_ONCE: Final = 4
_MOST_READ: Final = 1 << 16
"""Bytes that are read of an answer, so that the connection can be used again."""
_LOOK: Final = 60.0
"""Seconds after which we look at what other processes have left."""
_DATABASE_AWAY: Final = 5.0
"""Seconds after which a database that was away is asked again."""
_BREATH: Final = 0.1
"""Seconds between two calls that a worker sends: thousands may wait, and others are on the line."""
_LAST: Final = 2.0
"""Seconds in which, at the end, what is due is still sent."""


class Webhook:
    """Sends calls that have ended; enter it to begin, and leave it to stop.

    `ended` may be called before that, and after: what it is told of is on disk until it is sent.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        archive: "Callable[[], Archive]",
        deliveries: Deliveries,
        *,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._url = url
        self._secret = secret.encode()
        self._archive = archive
        self._deliveries = deliveries
        self._timeout = timeout
        self._one_reads = asyncio.Lock()  # calls that go on from earlier ones read there, too
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._trouble: str | None = None
        self._delivered = self._failed = self._erased = 0
        self._looking = Chore(_LOOK)
        self._task: asyncio.Task[None] | None = None

    def ended(self, calls: list[str]) -> None:
        """Have these calls sent (Recorder.on_ended): when this returns they are on disk."""
        for call in calls:
            self._deliveries.put(EVENT, call)
        self._wake()

    async def __aenter__(self) -> Self:
        """Begin to send, first of all what is left from before."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_AT_ONCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": f"millis-bridge/{__version__}"},
        )
        self._task = asyncio.create_task(self._run(), name="webhook")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what is due, for two seconds at most; the rest is sent after the next start."""
        self._stopping.set()
        self._wake()
        if self._task is not None:
            try:
                await asyncio.wait({self._task}, timeout=_LAST)
            finally:
                self._task.cancel()
                await asyncio.wait({self._task})
                await self._http.close()
            if not self._task.cancelled():
                self._task.result()  # a fault of ours is not to go unseen

    def status(self) -> dict[str, Any]:
        """How it goes, for `/healthz`."""
        return {
            "state": "failing" if self._trouble else "ok",
            "reason": self._trouble,
            "waiting": self._deliveries.waiting[EVENT],
            "delivered": self._delivered,
            "failed_attempts": self._failed,
            "given_up": self._deliveries.given_up[EVENT],
            "erased": self._erased,
        }

    # ── ──

    def _wake(self) -> None:
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for number in range(_AT_ONCE):
                workers.create_task(self._work(), name=f"webhook {number}")

    async def _work(self) -> None:
        """Send one call after the other."""
        while True:
            if not self._looking.wait:
                self._looking.done()
                self._deliveries.look()
            delivery = self._deliveries.due(EVENT, time.time())
            if delivery is not None:
                pause = await self._attend_to(delivery)
                if self._stopping.is_set() and pause == _DATABASE_AWAY:
                    return  # the next process sends them
                await self._pause(pause)
            elif self._stopping.is_set():
                return
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for the next one. Not for long: somebody may set the clock."""
        seconds = min(self._looking.wait, self._deliveries.wait(EVENT, time.time()))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _attend_to(self, delivery: Delivery) -> float:
        """Send a call, and see to it that it is sent again if it was not taken.

        Returns:
            Seconds to wait before another one.
        """
        try:
            call = await self._read(delivery.key)
            if call is None:
                log.info("an erased call is not sent to the webhook", call=delivery.key)
                self._erased += 1
                self._deliveries.done(delivery)
            elif call.ended_at is None:  # its process died, and it will be marked in a moment
                self._deliveries.failed(delivery, time.time())
            elif trouble := await self._send(delivery, call):
                self._failed += 1
                self._deliveries.failed(delivery, time.time())
                self._tell(trouble)
            else:
                self._delivered += 1
                self._deliveries.done(delivery)
                self._tell(None)
        except (DatabaseAway, SettingsError):
            self._deliveries.put_back(delivery, time.time() + _DATABASE_AWAY)
            return _DATABASE_AWAY
        except Exception as error:  # SQLAlchemy, the drivers, aiohttp and ssl may raise anything
            log.error("fault in the webhook", call=delivery.key, kind=type(error).__name__)  # noqa: TRY400 - its text may hold speech
            log.debug("fault in the webhook", exc_info=error)
            self._failed += 1
            self._deliveries.failed(delivery, time.time())
        finally:
            self._deliveries.put_back(delivery, time.time())  # if we were cancelled
        return _BREATH

    async def _read(self, call_id: str) -> CallDetail | None:
        async with self._one_reads:
            found = await self._archive().call(call_id)
        return next((call for call in found if call.id == call_id), None)

    async def _send(self, delivery: Delivery, call: CallDetail) -> str | None:
        """Send a call once. What went wrong, in a few words; None if it was taken."""
        headers, body = await signed(delivery.id, call, self._secret)
        status = None
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                status = response.status
                await _read_some(response)
        except TimeoutError:
            if status is None:
                return "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            if status is None:
                return type(error).__name__
        return None if 200 <= status < 300 else f"status {status}"

    def _tell(self, trouble: str | None) -> None:
        """Log when calls are no longer taken, and when they are again."""
        if trouble and trouble != self._trouble:
            log.warning("the webhook does not take calls; they are sent again", reason=trouble)
        elif self._trouble and not trouble:
            log.info("the webhook takes calls again")
        self._trouble = trouble


async def _read_some(response: aiohttp.ClientResponse) -> None:
    left = _MOST_READ
    while left > 0 and (data := await response.content.read(left)):
        left -= len(data)
