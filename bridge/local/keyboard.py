"""Lines that a person types, or that come through a pipe, without blocking the event loop."""

import asyncio
import contextlib
import importlib
import os
import queue
import sys
import threading
from typing import Any, Self

try:
    import termios
except ImportError:  # not on Windows
    termios = None  # type: ignore[assignment]

_CHUNK = 1 << 16


class Keyboard:
    """Standard input, one line when asked for.

    A daemon thread waits for it: a read cannot be cancelled, so it is left behind when the program
    ends. It never holds a lock of `sys.stdin`, on which the interpreter would stumble then.
    """

    def __init__(self, prompt: str) -> None:
        self._closed = sys.stdin is None  # then descriptor 0 may be somebody else's
        self.typed = not self._closed and sys.stdin.isatty() and sys.stdout.isatty()
        """Whether a person types, and sees the prompt and what is typed."""
        self._prompt = prompt
        self._wanted: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._terminal = self._save_terminal()
        self._thread = threading.Thread(target=self._serve, name="keyboard", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        if self.typed:
            with contextlib.suppress(ImportError):
                importlib.import_module("readline")  # gives input() line editing
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back as it was, also out of the middle of a line."""
        if self._terminal is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, self._terminal)

    async def line(self) -> str | None:
        """Wait for the next line; None at the end of input."""
        self._wanted.put(None)
        return await self._lines.get()

    def _save_terminal(self) -> list[Any] | None:
        return termios.tcgetattr(0) if self.typed and termios is not None else None

    def _serve(self) -> None:
        while True:
            self._wanted.get()
            line = self._type() if self.typed else self._read()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

    def _type(self) -> str | None:
        try:
            return input(self._prompt)
        except UnicodeDecodeError:
            return ""
        except (EOFError, OSError, ValueError):  # Ctrl-D; the terminal is gone; stdin is closed
            return None

    def _read(self) -> str | None:
        while b"\n" not in self._rest:
            try:
                chunk = b"" if self._closed else os.read(0, _CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                line, self._rest = self._rest, b""
                return line.decode(errors="replace") if line else None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")
