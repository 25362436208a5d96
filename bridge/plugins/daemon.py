"""A daemon thread that brings its result home to the event loop, if that is still there."""

import asyncio
import contextlib
import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import Any


class ToolCrashed(Exception):
    """Foreign code tried to leave by a way that would have taken the process with it.

    SystemExit and its like escape from an asyncio task and stop the event loop; this does not.
    """


class Stopped(BaseException):
    """Raised inside a thread whose time is up."""


class DaemonRun:
    """One function running in a daemon thread; constructing it starts it.

    Daemon, because a function that never returns must not keep the process from exiting.
    """

    def __init__(
        self, work: Callable[[], Any], *, name: str, ended: Callable[[], None] = lambda: None
    ) -> None:
        self._work = contextvars.copy_context().run, work
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._told_to_stop = False
        self._over = False
        self.result: asyncio.Future[Any] = self._loop.create_future()
        """What the function returned or raised. Cancelling it leaves the thread running."""
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def stop(self) -> bool:
        """Raise `Stopped` in the thread at its next line of Python; False once it has ended.

        Code that catches everything can survive it, so ask again. A thread that sits in a C call
        sees it when that call returns.
        """
        with self._lock:
            if not self._over and self.thread.ident is not None:
                self._told_to_stop = True
                _raise_in(self.thread.ident, Stopped)
            return not self._over

    def _run(self) -> None:
        enter, work = self._work
        outcome: Any = None
        error: Exception | None = ToolCrashed("stopped")
        try:
            try:
                outcome, error = enter(work), None
            except BaseException as raised:  # noqa: BLE001 - foreign code: all goes to the waiter
                outcome, error = None, _harmless(raised)
            self._finish()
        except Stopped:  # it came late: the work had ended
            self._finish()
        self._ended()
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self._loop.call_soon_threadsafe(_deliver, self.result, outcome, error)

    def _finish(self) -> None:
        """Let nobody stop it from now on; what is still on its way arrives in here."""
        with self._lock:
            self._over = True
        if self._told_to_stop:
            with contextlib.suppress(Stopped):
                _raise_in(threading.get_ident(), Stopped)  # in place of the one on its way
                while True:
                    pass


def _deliver(future: asyncio.Future[Any], outcome: Any, error: Exception | None) -> None:
    if future.done():  # cancelled: the waiter left
        return
    if error is None:
        future.set_result(outcome)
    else:
        future.set_exception(error)


def _harmless(raised: BaseException) -> Exception:
    """Turn what asyncio cannot carry into something it can."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    crash = ToolCrashed(f"raised {type(raised).__name__}")
    crash.__cause__ = raised
    return crash


def _raise_in(ident: int, kind: type[BaseException]) -> None:
    """Raise it in a thread, which must run until it has arrived.

    As long as one is on its way, or was taken back, the interpreter of Python 3.11 looks for it in
    all threads at each call of a function and each round of a loop, and no profiler can be used.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))
