"""The words going out: spacing, line ends and pauses."""

import re
from typing import Literal

from bridge.speech.characters import is_cjk

Block = Literal["", "item", "heading", "row"]

_NUMBERED = re.compile(r"\d{1,3}[.)] ")
_HEAD = 6  # long enough for _NUMBERED with one character more
_CLOSING = frozenset(".,;:!?)]}%…。，！？、；：")
_ENDED = frozenset(".,;:!?…。，！？、；：")


class Spoken:
    """What has been made speakable since it was last taken.

    White space never doubles, so nothing that is dropped leaves a hole. A line break stays one
    line break; list items, headings and table rows that end without punctuation get a full stop,
    so that they do not run together.
    """

    __slots__ = ("_items", "_last", "_parts", "block", "gap", "line", "loose", "seen")

    def __init__(self) -> None:
        self.block: Block = ""
        self.gap = ""
        """A separator owed before the next words."""
        self.line = ""
        """The first few characters of the present line; empty means a line begins here."""
        self.loose = False
        """Whether a space is owed, unless there is one or a closing mark follows."""
        self.seen = ""
        """The last character that was not a space."""
        self._last = "\n"
        self._parts: list[str] = []
        self._items: list[str | int] = []

    def say(self, text: str) -> None:
        """Speak this, which is not empty and holds no line break."""
        if self.block == "row":
            self._say_in_cell(text)
        else:
            self._put(text)

    def word(self, text: str) -> None:
        """Speak a word in place of a symbol: with a space on either side where there is none."""
        if not self.gap and self._last not in " \n(":
            self.gap = " "
        self._put(text)
        self.loose = True

    def new_line(self) -> None:
        """End the line, if anything was said on it."""
        if self.line:
            if (self.block or _NUMBERED.match(self.line)) and self.seen not in _ENDED:
                self._parts.append("。" if is_cjk(self.seen) else ".")
                self.seen = "."
            self._parts.append("\n")
            self._last = "\n"
        self.line = self.gap = self.block = ""
        self.loose = False

    def pause(self, milliseconds: int) -> None:
        """Wait here."""
        self._close_text()
        self._items.append(milliseconds)

    def take(self) -> list[str | int]:
        """What there is to say, and the pauses after it, in order. Empties this."""
        if not self._items and len(self._parts) == 1:
            text = self._parts[0]
            self._parts.clear()
            return [text]
        self._close_text()
        items, self._items = self._items, []
        return items

    def _close_text(self) -> None:
        if self._parts:
            self._items.append("".join(self._parts))
            self._parts.clear()

    def _say_in_cell(self, text: str) -> None:
        # A cell's padding is owed, not spoken, so that a following `|` can turn it into a comma.
        words = text.strip(" ")
        if text[0] == " ":
            self.gap = self.gap or " "
        if words:
            self._put(words)
            if text[-1] == " ":
                self.gap = " "

    def _put(self, text: str) -> None:
        if self.gap or self.loose:
            text = self._spaced(text)
        if text[0] == " " and self._last in " \n":
            text = text.lstrip(" ")
            if not text:
                return
        self._parts.append(text)
        self._last = text[-1]
        if text[-1] != " ":
            self.seen = text[-1]
        elif stripped := text.rstrip(" "):
            self.seen = stripped[-1]
        if len(self.line) < _HEAD:
            self.line = (self.line + text)[:_HEAD]

    def _spaced(self, text: str) -> str:
        gap = self.gap if self.line else ""
        if self.loose and not gap and text[0] not in _CLOSING:
            gap = "" if self._last in " \n(" or is_cjk(self._last) else " "
        self.gap = ""
        self.loose = False
        return gap + text.lstrip(" ") if gap else text
