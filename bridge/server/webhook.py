"""The webhook: each call that has ended is sent to an address, until that takes it.

Any 2xx within ten seconds means that it was taken; anything else, and it is sent again.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import structlog

from bridge import __version__
from bridge.errors import SettingsError
from bridge.server.letter import EVENT, signed
from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.deliveries.delivering import Delivering, Outcome, PutOff
from bridge.store.deliveries.delivery import Delivery
from bridge.store.errors import DatabaseAway
from bridge.store.shapes import CallDetail

if TYPE_CHECKING:
    from bridge.store.reading.archive import Archive

log = structlog.get_logger(__name__)

_TIMEOUT: Final = 10.0
"""Seconds that a receiver may take."""
_AT_ONCE: Final = 4
_MOST_READ: Final = 1 << 16
"""Bytes that are read of an answer, so that the connection can be used again."""
_DATABASE_AWAY: Final = 5.0
"""Seconds after which a database that was away is asked again."""
_BREATH: Final = 0.1
"""Seconds between two calls that a worker sends: thousands may wait, and others are on the line."""


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
        self._trouble: str | None = None
        self._delivered = self._erased = 0
        self._delivering = Delivering(
            deliveries, EVENT, self._attend_to, at_once=_AT_ONCE, breath=_BREATH
        )

    def ended(self, calls: list[str]) -> None:
        """Have these calls sent (Recorder.on_ended): when this returns they are on disk."""
        for call in calls:
            self._deliveries.put(EVENT, call)
        self._delivering.wake()

    async def __aenter__(self) -> Self:
        """Begin to send, first of all what is left from before."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_AT_ONCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": f"millis-bridge/{__version__}"},
        )
        self._delivering.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what is due, for two seconds at most; the rest is sent after the next start."""
        try:
            await self._delivering.stop()
        finally:
            await self._http.close()

    def status(self) -> dict[str, Any]:
        """How it goes, for `/healthz`."""
        return {
            "state": "failing" if self._trouble else "ok",
            "reason": self._trouble,
            "waiting": self._deliveries.waiting[EVENT],
            "delivered": self._delivered,
            "failed_attempts": self._delivering.failed,
            "given_up": self._deliveries.given_up[EVENT],
            "erased": self._erased,
        }

    # ── ──

    async def _attend_to(self, delivery: Delivery) -> Outcome:
        """Send a call once."""
        try:
            call = await self._read(delivery.key)
        except (DatabaseAway, SettingsError):
            return PutOff(_DATABASE_AWAY)
        if call is None:
            log.info("an erased call is not sent to the webhook", call=delivery.key)
            self._erased += 1
            return "done"
        if call.ended_at is None:  # its process died, and it will be marked in a moment
            return "failed"
        trouble = await self._send(delivery, call)
        self._tell(trouble)
        if trouble is not None:
            return "failed"
        self._delivered += 1
        return "done"

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
