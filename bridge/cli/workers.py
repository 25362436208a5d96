"""`bridge serve --workers N`: processes on one port, which gunicorn starts, watches and replaces.

Its arbiter only: aiohttp's own worker for it hangs up at SIGTERM, and knows no drain. Ours runs the
same bridge as a process of its own does.
"""

import asyncio
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from bridge.app import Bridge
from bridge.cli.running import TOLD, Told, run
from bridge.cli.serve import welcome
from bridge.errors import SettingsError
from bridge.metrics.siblings import Siblings
from bridge.server.web import port_taken
from bridge.settings import Settings
from bridge.traces.choosing import traces_of_process

try:
    from gunicorn.app.base import BaseApplication
    from gunicorn.arbiter import Arbiter
    from gunicorn.errors import HaltServer
    from gunicorn.glogging import Logger
    from gunicorn.workers.base import Worker
except ModuleNotFoundError as missing:
    raise SettingsError(
        f"several workers need {missing.name}: pip install 'millis-bridge[workers]', or set "
        "BRIDGE_WORKERS to 1"
    ) from missing

_log = structlog.get_logger(__name__)

_HUNG: Final = 60
"""Seconds after which a worker whose event loop stands still is replaced; a start is shorter."""
_ALIVE: Final = 1.0
"""Seconds between two signs of life of a worker."""
_AGAIN: Final = 2.0
"""Seconds after which a worker that could not start again is given another try."""
_SPARE: Final = 30
"""Seconds beyond the drain that workers may take to end, before they are killed."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file that has no content
"""Where signs of life never wait for a disk."""


def supervise(settings: Settings, started: Callable[[], None]) -> None:
    """Keep workers running until told to stop. `started` is called in each, once it serves.

    Raises:
        SettingsError: the port cannot be had, or a setting is wrong.
        SystemExit: always; 2 if the workers cannot start.
    """
    with ExitStack() as stack:
        addresses = [stack.enter_context(_reserved(settings.host, settings.port, "BRIDGE_PORT"))]
        if (port := settings.admin_port) is not None:
            apart = _reserved(settings.admin_host, port, "BRIDGE_ADMIN_PORT")
            addresses.append(stack.enter_context(apart))
        folder = stack.enter_context(_shared_folder())
        # What one of them needs is loaded before they part: they share its memory, and one that is
        # replaced is back sooner.
        Bridge(settings)
        gc.freeze()
        _Supervisor(_Workers(settings, addresses, folder, started)).run()


@contextmanager
def _reserved(host: str, port: int, setting: str) -> Iterator[str]:
    """Have the port for our own processes; the address as gunicorn writes it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as alone:
            address, port = alone.getsockname()[:2]  # nobody else has it, no bridge either
        # Bound, and not listening: it is sent no connections. The system deals them out among the
        # workers' own sockets; one that they shared would leave most calls to one of them.
        share = socket.socket(family)
        share.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        share.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        share.bind((address, port))
    except OSError as error:
        raise port_taken(host, port, error, setting) from None
    with share:
        yield f"[{address}]:{port}" if family == socket.AF_INET6 else f"{address}:{port}"


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """A folder where workers tell each other what they have counted."""
    ours = os.getpid()
    memory = _MEMORY if _MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix=f"millis-bridge-{ours}-", dir=memory))
    try:
        yield folder
    finally:
        if os.getpid() == ours:  # workers come by here, too
            shutil.rmtree(folder, ignore_errors=True)


class _Workers(BaseApplication):
    """What gunicorn wants to know."""

    def __init__(
        self, settings: Settings, addresses: list[str], folder: Path, started: Callable[[], None]
    ) -> None:
        self.settings = settings
        self.addresses = addresses
        self.folder = folder
        self.started = started
        self._whys = os.pipe()
        os.set_blocking(self._whys[0], False)
        super().__init__()

    def load_config(self) -> None:
        """Say how many, and how long they may take."""
        settings = self.settings
        choices = {
            "workers": settings.workers,
            "worker_class": _BridgeWorker,
            "bind": self.addresses,
            "reuse_port": True,
            "timeout": _HUNG,
            "graceful_timeout": int(max(settings.pre_drain, settings.drain_timeout)) + _SPARE,
            "logger_class": _Log,
            "loglevel": settings.log_level,
            "control_socket_disable": True,
        }
        if _MEMORY.is_dir():
            choices["worker_tmp_dir"] = str(_MEMORY)
        for name, value in choices.items():
            self.cfg.set(name, value)

    def tell(self, error: SettingsError) -> None:
        """In a worker: let the supervisor know why it could not start."""
        os.write(self._whys[1], f"bridge: {error}\n".encode())

    def why(self) -> str:
        """In the supervisor: what the first worker has told; empty if none has."""
        with suppress(BlockingIOError):
            return os.read(self._whys[0], 1 << 16).decode().partition("\n")[0]
        return ""


class _Log(Logger):
    """What gunicorn has to say, among the lines of the bridge."""

    def setup(self, cfg: Any) -> None:
        """Leave the writing to `configure_logs`."""
        self.cfg = cfg
        self.error_log.setLevel(cfg.loglevel.upper())
        self.error_log.propagate = True


class _Supervisor(Arbiter):
    """Gunicorn's arbiter: it starts workers, and replaces those that end or hang."""

    _told = False
    _halting = False

    def signal(self, sig: int, frame: Any) -> None:
        """Queue a signal: a second SIGTERM means quickly, as in a single process."""
        again = self._told and sig == signal.SIGTERM
        self._told |= sig in TOLD
        super().signal(signal.SIGQUIT if again else sig, frame)

    def spawn_worker(self) -> Any:
        """Start a worker. What it is told before it can hear it, it hears then."""
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)

    def reap_workers(self) -> None:
        """Take note of workers that have ended; what ends all is enough once."""
        try:
            super().reap_workers()
            self._bury()
        except HaltServer:
            if not self._halting:
                raise

    def _bury(self) -> None:
        """Keep what workers that have ended had counted."""
        assert isinstance(self.app, _Workers)  # noqa: S101 - it is given no other
        living = {str(worker.age) for worker in self.WORKERS.values()}
        try:
            Siblings(self.app.folder, "supervisor").bury(living)
        except OSError as error:
            _log.warning("metrics of ended workers are not kept yet", reason=error.strerror)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """End; where a worker cannot start, the others need no drain."""
        self._halting = True
        if exit_status:
            self.stop(graceful=False)
            assert isinstance(self.app, _Workers)  # noqa: S101 - it is given no other
            sys.stderr.write(f"{self.app.why() or 'bridge: no worker can start'}\n")
        super().halt(reason, 2 if exit_status else 0)


class _BridgeWorker(Worker):
    """One process, which runs one bridge on the port that all share."""

    _served = False

    def init_signals(self) -> None:
        """Forget the arbiter's handlers; those of the bridge follow in `run`."""
        for name in self.SIGNALS:
            signal.signal(name, signal.SIG_DFL)

    def load_wsgi(self) -> None:
        """There is no WSGI application."""

    def run(self) -> None:
        """Serve until told to stop."""
        assert isinstance(self.app, _Workers)  # noqa: S101 - nobody else has such workers
        try:
            asyncio.run(self._serve(self.app))
        except SettingsError as error:
            self.app.tell(error)
            raise SystemExit(self._not_started()) from None
        except Exception:
            if self._served:
                raise
            self.log.exception("a worker could not start")
            raise SystemExit(self._not_started()) from None

    def _not_started(self) -> int:
        """Exit code of a worker that could not start: of the first ones, it ends all."""
        if self.age <= self.cfg.workers:
            return Arbiter.WORKER_BOOT_ERROR
        for share in self.sockets:
            share.close()  # or it would be dealt calls meanwhile
        time.sleep(_AGAIN)  # the calls of the others go on, and another try is made
        return 1

    async def _serve(self, workers: _Workers) -> None:
        # The arbiter may say it twice to a worker too many: only SIGQUIT and Ctrl-C are quick.
        told = Told.by_signals(twice=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        settings = workers.settings
        traces = traces_of_process(private=settings.log_private)
        bridge = Bridge(settings, listening=self.sockets, traces=traces)
        bridge.meters.share(Siblings(workers.folder, str(self.age)))
        living = asyncio.create_task(self._show_life(told, bridge), name="alive")

        def ready(bridge: Bridge) -> None:
            self._served = True
            if self.age == 1:
                welcome(bridge)
            workers.started()

        try:
            await run(bridge, told, ready)
        finally:
            living.cancel()
            await asyncio.wait({living})
            if self._served:
                bridge.meters.keep()
            if self._is_orphan:
                shutil.rmtree(workers.folder, ignore_errors=True)

    @property
    def _is_orphan(self) -> bool:
        return os.getppid() != self.ppid

    async def _show_life(self, told: Told, bridge: Bridge) -> None:
        """Tell the arbiter that the event loop runs; without an arbiter, end as if told to."""
        while True:
            self.notify()
            if self._served:  # before, there is nothing to be read of its parts
                bridge.meters.keep()
            if self._is_orphan:
                told.stop.set()
            await asyncio.sleep(_ALIVE)
