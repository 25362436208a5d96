"""One turn of a call, as long as its row may still change."""

from dataclasses import replace
from typing import Any, Final

from bridge.call.events import ModelAnswered, TurnBegan, TurnEnded, TurnHeard
from bridge.store.notes.plain import (
    count_or_none,
    milliseconds,
    milliseconds_or_none,
    plain_object,
    text,
    text_or_none,
)

_SAME: Final = 0.01
"""Seconds by which the last frame may come later than was thought, with nothing written again."""


class TurnRow:
    """Gathers what is told of a turn. `at`: when it began, on the clock that events are told by."""

    def __init__(self, began: TurnBegan, at: float) -> None:
        self.began = began
        self.at = at
        self.over = False
        """Whether its end is certain."""
        self.end: TurnEnded | None = None
        self.heard: TurnHeard | None = None
        self.took = 0.0
        """Seconds from its beginning to its end."""
        self.counted = (False, False)
        """Whether the call's tally counts it as interrupted, and as failed."""
        self._messages: list[dict[str, Any]] = []
        self._model: str | None = None
        self._tokens: dict[str, int] = {}
        self._running = 0
        self._since = 0.0
        self._in_tools = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the caller spoke over it, also after it had been sent."""
        cut = self.heard is not None and self.heard.chars is not None
        return cut or (self.end is not None and self.end.outcome == "interrupted")

    @property
    def failed(self) -> bool:
        """Whether the caller got an apology."""
        return self.end is not None and self.end.outcome == "failed"

    @property
    def waited(self) -> float:
        """Seconds for which the caller waited for a word."""
        if self.end is None:
            return 0.0
        if self.end.first_word is None and self.failed:
            return self.took
        return self.end.first_word or 0.0

    def finish(self, end: TurnEnded, now: float) -> bool:
        """Take note of its end; whether that says anything new."""
        before, self.end = self.end, end
        if before is None:
            self.took = now - self.at if end.last_frame is None else end.last_frame
            self._pause(now)
            return True
        return not _is_same(before, end)

    def answer(self, message: ModelAnswered) -> None:
        """Take note of a message of the model's."""
        self._model = text(message.model, 256)
        for name in ("tokens_in", "tokens_out"):
            count = getattr(message, name)
            if count is not None:
                self._tokens[name] = self._tokens.get(name, 0) + count
        self._messages.append(
            {
                "model": self._model,
                "text": text(message.text),
                "tool_calls": [
                    {"name": text(call.name, 256), "arguments": plain_object(call.arguments)}
                    for call in message.tool_calls
                ],
                "first_token_ms": milliseconds_or_none(message.first_token),
                "duration_ms": milliseconds(message.seconds),
                "tokens_in": count_or_none(message.tokens_in),
                "tokens_out": count_or_none(message.tokens_out),
                **(
                    {"finish_reason": text(reason, 64)} if (reason := message.finish_reason) else {}
                ),
            }
        )

    def tool_begins(self, now: float) -> None:
        """The caller waits for a tool, or for one more."""
        if self.end is None:
            if not self._running:
                self._since = now
            self._running += 1

    def tool_ends(self, now: float) -> None:
        """The caller waits for one tool less."""
        if self._running:
            self._running -= 1
            if not self._running:
                self._in_tools += now - self._since

    def row(self, start: float, *, words: bool) -> dict[str, Any]:
        """The columns. `start`: when the call began; `words`: whether any are kept."""
        began, end = self.began, self.end
        assert end is not None  # noqa: S101 - a row is made of a turn that has ended
        return {
            "stream_id": str(began.stream_id),
            "at_ms": milliseconds(self.at - start),
            "place": began.place,
            "ahead": began.ahead,
            "asked": text(began.asked) if words else None,
            "said": text(end.said) if words else None,
            "said_chars": len(end.said),
            "outcome": end.outcome,
            "failure": end.failure and text(end.failure[:32]),
            "model": self._model,
            "tokens_in": count_or_none(self._tokens.get("tokens_in")),
            "tokens_out": count_or_none(self._tokens.get("tokens_out")),
            "messages": self._messages.copy() if words else None,
            "first_token_ms": milliseconds_or_none(end.first_token),
            "first_frame_ms": milliseconds_or_none(end.first_frame),
            "last_frame_ms": milliseconds_or_none(end.last_frame),
            "tools_ms": milliseconds(self._in_tools),
            **self.heard_row(words=words),
        }

    def heard_row(self, *, words: bool) -> dict[str, Any]:
        """The columns that tell what was heard of it, and which turn it is."""
        heard = self.heard
        return {
            "number": self.began.turn,
            "heard": text_or_none(heard.heard) if words and heard is not None else None,
            "heard_chars": count_or_none(heard.chars) if heard is not None else None,
        }

    def _pause(self, now: float) -> None:
        """A tool that runs on after the turn keeps nobody waiting."""
        if self._running:
            self._in_tools += now - self._since
            self._running = 0


def _is_same(before: TurnEnded, end: TurnEnded) -> bool:
    if before == end:
        return True
    if before.last_frame is not None and end.last_frame is not None:
        if abs(before.last_frame - end.last_frame) > _SAME:
            return False
        end = replace(end, last_frame=before.last_frame)
    return before == end
