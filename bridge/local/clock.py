"""A virtual clock: an event loop on which waiting takes no time, and everything else its usual one.

When nothing is ready, the loop's time jumps to the next timer. Timers, sleeps and timeouts on the
loop's clock, those of a bridge in the same process included, are then instant and come at the same
times in every run.

It is sound only if "nothing is ready" means that nothing can become ready by itself. So time does
not jump

- while bytes are on their way between two sockets of this process: they arrive first, and that
  takes no time (local.traffic);
- while a thread lives, such as that of a synchronous tool: what is done within a tenth of a second
  takes no time, after that the clock goes as it really does. Threads that were there before and
  those of pools do not count, but what pools do for `run_in_executor` does;
- while a connection leads out of this process, such as to a real model, or a pipe to a child: the
  clock goes as it really does.

So whatever is not known to be harmless makes it slow, not wrong: a bridge that keeps a record has
the threads of its database, and real time. What waits for the outside in a way that cannot be seen
here must say so with `hold`. `time.time` and `time.monotonic` stay real.
"""

import asyncio
import contextlib
import math
import selectors
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from bridge.local.traffic import Traffic

T = TypeVar("T")

_START: Final = 1000.0
"""Seconds: round, so that the same sums come out in every run; not 0, which some take for never."""
_LONGEST: Final = 24 * 3600.0
"""Virtual seconds after which it is certain that somebody waits for what will never come: timers
that repeat, such as heartbeats, would go on for ever."""
_ARRIVAL: Final = 0.5
"""Real seconds after which bytes on loopback are held for lost."""
_LOOK: Final = 0.005
"""Real seconds between looks at threads: one may end without waking the loop."""
_FREE: Final = 0.1
"""Real seconds of work outside the loop that take no time."""
_IDLE: Final = (
    *("asyncio_", "ThreadPoolExecutor", "AnyIO worker thread", "pytest_timeout"),
    "loop watch",  # asks a bridge's loop how late it is
)
"""Beginnings of the names of threads that wait for work."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._traffic = Traffic()
        self._selecting = _Selector(self._traffic, self._works_outside, self._has_own)
        self._holding = 0
        self._servers: list[asyncio.Server] = []
        self._elder = set(threading.enumerate())
        super().__init__(self._selecting)
        keys = self._selecting.get_map().values()
        self._wakers = {key.fd for key in keys}  # for signals and other threads

    def time(self) -> float:
        """Seconds on the virtual clock."""
        return self._selecting.now

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Have the clock go as it really does: something outside is waited for."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1

    # ── what asyncio does, watched ───────────────────────────────────────────────────────────────

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run something in a thread: until it is done, the clock waits."""
        future = super().run_in_executor(executor, func, *args)
        self._holding += 1
        future.add_done_callback(self._let_go)
        return future

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect: until that is done, the clock waits."""
        with self.hold():
            await super().sock_connect(sock, address)

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        """Listen, and know connections to there as our own."""
        server = await super().create_server(*args, **kwargs)
        self._servers.append(server)
        for listening in server.sockets:
            self._traffic.listen(listening.getsockname()[1])
        return server

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # gone already: there is nothing to count
                sock = self._traffic.count(sock)
        return super()._make_socket_transport(sock, *args, **kwargs)  # type: ignore[misc]

    # ── what the clock waits for ─────────────────────────────────────────────────────────────────

    def _let_go(self, _: object) -> None:
        self._holding -= 1

    def _works_outside(self) -> bool:
        """Whether something is done outside the loop that certainly comes back."""
        return self._holding > 0 or any(
            thread not in self._elder and not thread.name.startswith(_IDLE)
            for thread in threading.enumerate()
        )

    def _has_own(self, descriptor: int) -> bool:
        """Whether only this process can make it ready."""
        listening = (sock.fileno() for server in self._servers for sock in server.sockets)
        return descriptor in (*self._wakers, *listening)


class _Selector(selectors.DefaultSelector):
    """Waits for what is on its way, and else moves the clock."""

    def __init__(
        self, traffic: Traffic, busy: Callable[[], bool], own: Callable[[int], bool]
    ) -> None:
        super().__init__()
        self.now = _START
        self._end = _START + _LONGEST
        self._traffic = traffic
        self._busy = busy
        self._own = own
        self._busy_since: float | None = None

    def select(self, timeout: float | None = None) -> Any:
        """Give what is ready; if nothing is, or can come by itself, it is later now."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._traffic.under_way(self._reads):
            if ready := super().select(_ARRIVAL):
                return ready
            self._traffic.give_up(self._reads)
        if self._busy():
            return self._wait_for_work(timeout)
        self._busy_since = None
        if timeout is None or self._leads_out():
            return self._wait_really(timeout)
        self.now += timeout
        if self.now > self._end:
            self._end = math.inf  # what cleans up now may take its time
            raise RuntimeError("a day has passed on the virtual clock: what is it waiting for?")
        return ready

    def _reads(self, descriptor: int) -> bool:
        key = self.get_map().get(descriptor) if descriptor >= 0 else None
        return key is not None and bool(key.events & selectors.EVENT_READ)

    def _leads_out(self) -> bool:
        """Whether somebody outside this process can make something ready."""
        inside = self._traffic.inside
        keys = self.get_map().values()
        return any(key.fd not in inside and not self._own(key.fd) for key in keys)

    def _wait_for_work(self, timeout: float | None) -> Any:
        if self._busy_since is None:
            self._busy_since = time.monotonic()
        if time.monotonic() - self._busy_since < _FREE:
            return super().select(_LOOK)
        return self._wait_really(_LOOK if timeout is None else min(timeout, _LOOK))

    def _wait_really(self, timeout: float | None) -> Any:
        began = time.monotonic()
        ready = super().select(timeout)
        self.now += time.monotonic() - began
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run something on a virtual clock of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
