"""What a conversation looks like in a terminal, or in a file: words as they come, the rest dim."""

import json
import re
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bridge.local.page import fold
from bridge.local.plain import cut, plain

AGENT: Final = "agent: "
YOU: Final = "you: "
_INDENT: Final = " " * len(AGENT)


class Screen:
    """Prints a call. Whatever it is given may be hostile: it is stripped, and never markup."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._column = 0
        """Where the agent's line stands; 0 while the agent does not speak."""
        self._gap = False

    # ── the agent's words ────────────────────────────────────────────────────────────────────────

    def words(self, text: str) -> None:
        """Print words as they come, broken between words at the edge of the screen."""
        text = plain(text)
        if not self._column:
            if not text.strip():
                return
            self._print(AGENT, "bold cyan", end="")
            self._column, self._gap = len(AGENT), False
        self._print("".join(map(self._placed, re.findall(r"\s+|\S+", text))), end="")

    def pause_words(self) -> None:
        """End the agent's line, if there is one."""
        if self._column:
            self._print("")
        self._column = 0

    def _placed(self, token: str) -> str:
        if token.isspace():
            self._gap = True
            return ""
        gap, self._gap = self._gap and self._column > len(_INDENT), False
        width = cell_len(token)
        if gap and self._column + 1 + width >= self._console.width:
            self._column = len(_INDENT) + width
            return f"\n{_INDENT}{token}"
        self._column += gap + width
        return f" {token}" if gap else token

    # ── all else ─────────────────────────────────────────────────────────────────────────────────

    def you(self, text: str) -> None:
        """Print the caller's line, where it was not typed on this screen."""
        self._print(YOU, "bold", end="")
        self._print(plain(text))

    def note(self, text: str) -> None:
        """Print something about the conversation, dim."""
        self.pause_words()
        self._print(f"{_INDENT}{plain(text)}", "dim")

    def warn(self, text: str) -> None:
        """Print something that is not as it should be."""
        self.pause_words()
        self._print(fold("", plain(text), self._console.width), "yellow")

    def say(self, text: str) -> None:
        """Print a line of our own."""
        self.pause_words()
        self._print(fold("", plain(text), self._console.width))

    def tool(self, event: str, data: dict[str, Any]) -> None:
        """Print a tool's beginning or end, in one line."""
        name = str(data.get("name", ""))
        if event == "ToolBegun":
            line = f"{name}({_arguments(data.get('arguments'))})"
            room = self._console.width - len(_INDENT) - 3
            self.note(f"· {cut(plain(line), room)}")
            return
        seconds = data.get("seconds")
        took = f" · {seconds:.2f} s" if isinstance(seconds, float | int) else ""
        outcome = data.get("outcome")
        how = "" if outcome == "ok" else f"{outcome}: "
        line = plain(f"{name} → {how}{data.get('result', '')}")
        self.note(f"· {cut(line, self._console.width - len(_INDENT) - 3 - len(took))}{took}")

    def _print(self, text: str, style: str = "", end: str = "\n") -> None:
        self._console.print(Text(text, style, end=""), end=end, soft_wrap=True)


def _arguments(arguments: object) -> str:
    if not isinstance(arguments, dict):
        return ""
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in arguments.items()
    )
