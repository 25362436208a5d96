"""Record a session of `bridge chat` in a pseudo-terminal: `python docs/terminal.py`.

Writes docs/images/chat.svg, for the README, and docs/images/chat.cast, which asciinema plays. The
demo model answers, in a folder with the example tools and prompts: no key, no network.
"""

import asyncio
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "images"
COLUMNS, ROWS = 92, 40
COMMAND = ("chat", "--model", "demo", "--from", "+15550100", "--metadata", "name=Ada")
PROMPT = b"you: "
PATIENCE = 60.0
"""Seconds the whole session may take."""


class Terminal:
    """A program in a pseudo-terminal, and all that it wrote, with the moments."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._news = asyncio.Event()
        self.written: list[tuple[float, bytes]] = []
        self.ended = asyncio.Event()
        child, self._master = pty.fork()
        if not child:
            os.chdir(folder)
            variables = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
            command = [sys.executable, "-m", "bridge.cli", *COMMAND]
            os.execve(sys.executable, command, {**os.environ, **variables})  # noqa: S606 - our own program
        self._child = child
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._loop.add_reader(self._master, self._read)

    @property
    def screen(self) -> bytes:
        """All that was written."""
        return b"".join(data for _, data in self.written)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something has been written."""
        while not true():
            self._news.clear()
            await self._news.wait()

    async def type(self, text: str) -> None:
        """Type a line as a person does, once there is a prompt."""
        await self.until(lambda: self.screen.endswith(PROMPT) or self.ended.is_set())
        await asyncio.sleep(0.8)
        for key in text:
            os.write(self._master, key.encode())
            await asyncio.sleep(0.05)
        os.write(self._master, b"\r")
        await self.until(lambda: not self.screen.endswith(PROMPT + text.encode()))

    async def interrupt(self, after: str) -> None:
        """Press Ctrl-C once these words have come."""
        await self.until(lambda: after.encode() in self.screen)
        os.write(self._master, b"\x03")

    async def leave(self) -> None:
        """Press Ctrl-D at the prompt, and wait for the end."""
        await self.until(lambda: self.screen.endswith(PROMPT))
        os.write(self._master, b"\x04")
        await self.ended.wait()

    def stop(self) -> None:
        """End it, whatever it does."""
        if not self.ended.is_set():
            self._loop.remove_reader(self._master)
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            data = b""
        if data:
            self.written.append((time.monotonic() - self._began, data))
        else:
            self._loop.remove_reader(self._master)
            self.ended.set()
        self._news.set()


async def session(folder: Path) -> list[tuple[float, bytes]]:
    """Talk: a tool, an interruption, a question before something is done for good."""
    terminal = Terminal(folder)
    try:
        async with asyncio.timeout(PATIENCE):
            await terminal.type("Where are my orders?")
            await terminal.type("Tell me a long story.")
            await terminal.interrupt("another, a baker")
            await terminal.type("Please cancel my order 1057.")
            await terminal.type("Yes, please.")
            await terminal.leave()
    finally:
        terminal.stop()
    return terminal.written


def save(written: list[tuple[float, bytes]], folder: Path) -> None:
    """Write the picture, and the recording (asciicast, version 2)."""
    text = b"".join(data for _, data in written).decode().replace("\r\n", "\n")
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        shown = f"$ bridge {' '.join(COMMAND)}\n{text}".replace("^C", "")
        console.print(Text.from_ansi(shown.rstrip().removesuffix("you:").rstrip()))
        picture = console.export_svg(title="bridge chat")
    # With the reader's own fonts: a picture should not fetch anything.
    (folder / "chat.svg").write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL))
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "bridge chat"}
    lines = [head, *([round(at, 3), "o", data.decode()] for at, data in written)]
    (folder / "chat.cast").write_text("".join(json.dumps(line) + "\n" for line in lines))


def main(images: Path = IMAGES) -> None:
    """Record it anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tools", "prompts"):
            shutil.copytree(ROOT / part, folder / part)
        written = asyncio.run(session(folder))
    images.mkdir(exist_ok=True)
    save(written, images)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
