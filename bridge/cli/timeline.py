"""One call as it went: what was said and done, how long the caller waited, where it was cut."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from bridge.cli import words
from bridge.cli.words import count, shortened
from bridge.local.plain import plain
from bridge.store.database.tables import SLOW_MS
from bridge.store.shapes import CallDetail, ToolRun, Turn

_CUT_HERE: Final = " ╌╌ cut here ╌╌ "
_LABEL: Final = 9
"""Cells of the column that says what a line is."""
_NARROWEST: Final = 20
_NOT_KEPT: Final = "(words not kept)"
_LONGEST_TEXT: Final = 4_000
_LONGEST_VALUE: Final = 600
_BAR: Final = 16
"""Cells of the longest wait of a call, or of 2 seconds if all were shorter."""
_QUICK_MS: Final = 1000
_OUTCOMES: Final = {
    "empty": "nothing to say",
    "superseded": "Millis asked again before it was done",
    "hung_up": "the caller was gone",
    "dropped": "never asked for",
}
_STYLES: Final = {"ok": "green", "failed": "red", "timeout": "red", "running": "bold green"}
"""Of a tool's outcome; yellow for the others."""


class Timeline:
    """Prints calls. All that is in them may be hostile: it is stripped, and never markup."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def call(self, call: CallDetail, number: int, of: int, *, frames: bool) -> None:
        """Print one connection: what is known of it, then its turns, then its frames."""
        if number > 1:
            self._line("", Text(""))
        for label, text in _about(call, number, of):
            self._line(f"{label:<{_LABEL}}", text, "dim")
        longest = max([SLOW_MS, *(turn.first_frame_ms or 0 for turn in call.timeline)])
        for turn in call.timeline:
            self._line("", Text(""))
            self._turn(turn, call, longest)
        if not call.timeline:
            self._line("", Text(""))
            self._line("", Text("No turns.", "dim"))
        for run in call.tool_runs:
            self._tool(run, call)
        if frames:
            self._line("", Text(""))
            self._frames(call)

    def _turn(self, turn: Turn, call: CallDetail, longest: int) -> None:
        if turn.place >= 0:
            self._at(turn.at_ms, "caller", _asked(turn), "bold")
        for line in _waited(turn, longest):
            self._at(None, "waited", line)
        spoke_at = turn.at_ms + (turn.first_frame_ms or 0) if turn.said_chars else math.inf
        for run in turn.tool_runs:
            if run.at_ms < spoke_at:
                self._tool(run, call)
        if turn.said_chars:
            self._at(int(spoke_at), "agent", _said(turn), "bold cyan")
        if turn.outcome == "failed":
            reason = plain(turn.failure or "the reply failed").replace("_", " ")
            told = ": the caller got an apology" if turn.said_chars else ""
            self._at(None, "failed", Text(reason + told, "red"), "red")
        if notes := " · ".join(_notes(turn)):
            self._at(None, "", Text(notes, "dim"))
        for run in turn.tool_runs:
            if run.at_ms >= spoke_at:
                self._tool(run, call)

    def _tool(self, run: ToolRun, call: CallDetail) -> None:
        arguments = _arguments(run.arguments) if run.arguments is not None else "…"
        called = Text.assemble((plain(run.name), "magenta"), f"({arguments})")
        self._at(run.at_ms, "tool", called, "magenta")
        took = words.wait(run.duration_ms) if run.duration_ms is not None else ""
        aside = " · ".join(part for part in (took, plain(run.policy or "")) if part)
        result = shortened(run.result, _LONGEST_VALUE) if run.result is not None else ""
        if run.outcome and call.level == "metadata":
            result = _NOT_KEPT
        end = Text.assemble(result, "  " if result and aside else "", (aside, "dim"))
        outcome = run.outcome or ("running" if call.state == "live" else "no end")
        self._at(None, plain(outcome), end, _STYLES.get(outcome, "yellow"))

    def _frames(self, call: CallDetail) -> None:
        frames = call.frames or ()
        told = "frames: ← from Millis, → to Millis" if frames else "No frames were kept."
        self._line("", Text(told, "dim"))
        for frame in frames:
            message = dict(frame.message)
            kind = plain(message.pop("type", "?"))
            body = shortened(_json(message), _LONGEST_VALUE)
            arrow = "←" if frame.way == "in" else "→"
            line = Text.assemble((kind, "bold"), " ", body)
            self._line(f"{words.offset(frame.at_ms):>8}  {arrow} ", line, "dim")
        if call.frames_lost:
            lost = f"{count(call.frames_lost, 'frame')} after that: too many to be kept."
            self._line("", Text(lost, "yellow"))

    def _at(self, ms: int | None, label: str, text: Text, style: str = "dim") -> None:
        offset = "" if ms is None else words.offset(ms)
        head = Text.assemble((f"{offset:>8}  ", "dim"), (f"{label:<{_LABEL}}", style))
        self._line(head, text)

    def _line(self, head: Text | str, text: Text, style: str = "") -> None:
        """Print a label, and its text folded to hang beside it."""
        first = head if isinstance(head, Text) else Text.assemble((head, style))
        blank = " " * len(first.plain)
        room = max(_NARROWEST, self._console.width - len(blank))
        for index, part in enumerate(text.wrap(self._console, room) or [Text("")]):
            line = Text.assemble(blank if index else first, part)
            line.rstrip()
            self._console.print(line, soft_wrap=True)


# ── what is known of a call ──────────────────────────────────────────────────────────────────────


def _about(call: CallDetail, number: int, of: int) -> Iterator[tuple[str, Text]]:
    session = plain(call.session_id) or "(never named)"
    which = f"  connection {number} of {of}" if of > 1 else ""
    yield "call", Text.assemble((session, "bold cyan"), (which, "dim"))
    persona = f" · persona {plain(call.persona)}" if call.persona else ""
    yield "agent", Text((plain(call.agent_id) or "(none)") + persona)
    if call.caller or call.called or call.user_id:
        called = f" → {plain(call.called)}" if call.called else ""
        user = f" · user {plain(call.user_id)}" if call.user_id else ""
        yield "caller", Text((plain(call.caller or "") or "(no number)") + called + user)
    yield "began", Text(f"{words.local(call.started_at):%a %Y-%m-%d %H:%M:%S %z}")
    yield "ended" if call.ended_at is not None else "state", _end(call)
    if call.continues:
        yield "memory", Text.assemble("of ", (plain(call.continues), "cyan"))
    yield "sums", Text(_sums(call))
    if call.tokens_in or call.tokens_out:
        yield "tokens", Text(f"{call.tokens_in:,} in, {call.tokens_out:,} out")
    if call.metadata:
        yield "data", Text(shortened(_json(call.metadata), _LONGEST_VALUE))
    yield "kept", Text(f"{call.level} · id {plain(call.id)} · replica {plain(call.replica)}", "dim")


def _end(call: CallDetail) -> Text:
    if call.state == "live":
        seconds = (datetime.now(UTC) - call.started_at).total_seconds()
        return Text(f"the call has been going on for {words.length(seconds)}", "green")
    if call.state == "lost":
        return Text("the end is not known: its process has not been seen for a while", "yellow")
    ending = call.ending or call.state
    after = ""
    if call.ended_at is not None:
        seconds = (call.ended_at - call.started_at).total_seconds()
        after = f"after {words.length(seconds)}: "
    style = "red" if call.state == "aborted" else ""
    return Text(after + words.ENDINGS_IN_FULL.get(ending, plain(ending)), style)


def _sums(call: CallDetail) -> str:
    parts = [count(call.turns, "turn")]
    parts += [f"{call.interrupted} cut"] if call.interrupted else []
    parts += [f"{call.failed} failed"] if call.failed else []
    parts += [count(call.tools, "tool")] if call.tools else []
    parts += [f"slowest first word {words.wait(call.slowest_ms)}"] if call.slowest_ms else []
    return " · ".join(parts)


# ── what is known of a turn ──────────────────────────────────────────────────────────────────────


def _asked(turn: Turn) -> Text:
    if turn.asked is None:
        return Text.assemble((_NOT_KEPT, "dim"))
    return Text(shortened(turn.asked, _LONGEST_TEXT))


def _waited(turn: Turn, longest: int) -> Iterator[Text]:
    """Draw the wait for the first word: solid until the model's first sign of life."""
    if turn.first_frame_ms is None:
        return
    word, token = turn.first_frame_ms, turn.first_token_ms
    cells = round(word / longest * _BAR)
    solid = cells if token is None else min(cells, round(token / longest * _BAR))
    style = "red" if word >= SLOW_MS else "yellow" if word >= _QUICK_MS else "green"
    bar = "█" * solid + "░" * (cells - solid) if cells else "▏"
    told = [words.wait(word)]
    told += [f"first token {words.wait(token)}"] if token is not None else []
    told += [f"tools {words.wait(turn.tools_ms)}"] if turn.tools_ms else []
    yield Text.assemble((bar, style), (" " + " · ".join(told), "dim"))


def _said(turn: Turn) -> Text:
    """Show what was said, and which part of it was not heard."""
    if turn.said is None:
        cut = f", cut after {turn.heard_chars:,}" if turn.heard_chars is not None else ""
        return Text.assemble((f"({count(turn.said_chars, 'character')}{cut}; not kept)", "dim"))
    said = turn.said.strip()
    if turn.heard_chars is None:
        whole = Text(shortened(said, _LONGEST_TEXT))
        if turn.outcome == "interrupted":
            whole.append(" ╌╌ cut, nobody knows where", "yellow")
        return whole
    at = min(turn.heard_chars, len(said))
    heard, rest = shortened(said[:at], _LONGEST_TEXT), shortened(said[at:], _LONGEST_TEXT)
    return Text.assemble(heard, (_CUT_HERE, "yellow"), (rest, "dim strike"))


def _notes(turn: Turn) -> Iterator[str]:
    if turn.heard and turn.said is not None and not turn.said.strip().startswith(turn.heard):
        yield f"heard, as Millis tells it: {shortened(turn.heard, _LONGEST_VALUE)}"
    if turn.outcome in _OUTCOMES:
        yield _OUTCOMES[turn.outcome]
    elif turn.outcome not in {"complete", "failed", "interrupted"}:
        yield plain(turn.outcome)
    if turn.model:
        yield plain(turn.model)
    if turn.tokens_in is not None or turn.tokens_out is not None:
        yield f"{turn.tokens_in or 0:,} tokens in, {turn.tokens_out or 0:,} out"
    if turn.ahead:
        yield "begun ahead"


def _arguments(arguments: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name}={_json(value)}" for name, value in arguments.items())
    return shortened(listed, _LONGEST_VALUE)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
