"""A replay as people read it: what was said and done then, and what is now."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from bridge.cli.words import ENDINGS_IN_FULL, count, offset, shortened, wait
from bridge.local.page import say
from bridge.local.plain import cut, plain
from bridge.local.replay_report import ReplayReport, Side, ToolDifference, TurnDifference
from bridge.store.shapes import ToolRun

_LABEL: Final = 8
_NARROWEST: Final = 20
_LONGEST: Final = 600
_ALIKE: Final = 0.4
"""Texts that have less in common are shown one below the other."""
_CONTEXT: Final = 6
"""Words that are shown on either side of a difference."""

Line = tuple[str, Text]


def show(console: Console, report: ReplayReport) -> None:
    """Print it. All that is in it may be hostile: it is stripped, and never markup."""
    against = "the recorded answers" if report.mode == "recorded" else plain(report.model)
    head = Text.assemble((plain(report.session_id) or "a call", "bold cyan"), f" against {against}")
    _line(console, "", head)
    for note in report.notes:
        say(console, "note  ", note, style="yellow")
    connections = report.turns[-1].connection if report.turns else 1
    connection = 1
    for turn in report.turns:
        if connections > 1 and (turn.connection != connection or turn is report.turns[0]):
            connection = turn.connection
            _line(console, "", Text(f"\nconnection {connection} of {connections}", "bold"))
        _turn(console, turn)
    _line(console, "", Text(""))
    for end in report.ends:
        if end.differs:
            which = f" of connection {end.connection}" if connections > 1 else ""
            told = f"{_ending(end.then)}, now {_ending(end.now)}"
            say(console, f"end{which}  ", told, style="red")
    _line(console, "", _sums(report))


def _turn(console: Console, turn: TurnDifference) -> None:
    _line(console, "", Text(""))
    opening = Text("(the call is connected)", "dim")
    asked = Text(shortened(turn.asked, _LONGEST)) if turn.place >= 0 else opening
    head = Text.assemble((f"{offset(turn.at_ms):>8}  ", "dim"), (f"{'caller':<{_LABEL}}", "bold"))
    _line(console, head, asked)
    for label, text in _lines(turn):
        style = "dim" if label in {"same", "waited", "now", "then"} else "yellow"
        _line(console, Text.assemble(" " * 10, (f"{label:<{_LABEL}}", style)), text)


def _lines(turn: TurnDifference) -> Iterator[Line]:
    if turn.now is None:
        yield "missing", Text("the replay did not come to this: the call was over before", "red")
        return
    if turn.outcome_differs or turn.then.outcome != turn.now.outcome:
        style = "red" if turn.outcome_differs else "dim"
        yield "outcome", Text(f"{_outcome(turn.then)}, now {_outcome(turn.now)}", style)
    if turn.asked_for_more:
        yield "model", Text("asked for more messages than are on record", "red")
    if turn.words_differ:
        yield from _words(turn.then.said, turn.now.said)
    for difference in turn.tools:
        yield from _tool(difference)
    if turn.same:
        yield "same", Text(cut(plain(turn.now.said), _NARROWEST + 40), "dim")
    if times := " · ".join(_times(turn.then, turn.now)):
        yield "waited", Text(times, "dim")


def _ending(ending: str | None) -> str:
    return ENDINGS_IN_FULL.get(ending or "", ending or "not known")


def _outcome(side: Side) -> str:
    return f"{plain(side.outcome)}{f' ({plain(side.failure)})' if side.failure else ''}"


def _times(then: Side, now: Side) -> Iterator[str]:
    for what, one, other in (
        ("first word", then.first_word_ms, now.first_word_ms),
        ("whole", then.whole_ms, now.whole_ms),
    ):
        if one is not None and other is not None:
            yield f"{what} {wait(one)}, now {wait(other)}"


def _sums(report: ReplayReport) -> Text:
    sums = report.summary
    parts = [f"{sums.same} the same"]
    parts += [f"{sums.other_words} with other words"] if sums.other_words else []
    parts += [f"{sums.other_tools} with other tools"] if sums.other_tools else []
    parts += [f"{sums.other_outcome} with another outcome"] if sums.other_outcome else []
    median = sums.first_word_p50_ms
    if median.then is not None and median.now is not None:
        parts.append(f"first word p50 {wait(median.then)}, now {wait(median.now)}")
    return Text(
        f"{count(sums.turns, 'turn')}: {' · '.join(parts)}", "red" if report.differs else "green"
    )


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def _words(then: str, now: str) -> Iterator[Line]:
    one, other = plain(then).split(), plain(now).split()
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _ALIKE:
        yield "then", Text(shortened(then, _LONGEST) or "(silence)", "red")
        yield "now", Text(shortened(now, _LONGEST) or "(silence)", "green")
        return
    line = Text()
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            _append(line, _around(one[i:j], first=i == 0, last=j == len(one)), "")
            continue
        if i < j:
            _append(line, f"[-{' '.join(one[i:j])}-]", "red")
        if k < m:
            _append(line, f"{{+{' '.join(other[k:m])}+}}", "green")
    yield "words", line


def _around(words: Sequence[str], *, first: bool, last: bool) -> str:
    """Words that are the same: the first and the last of them, if there are many."""
    before, after = (0 if first else _CONTEXT), (0 if last else _CONTEXT)
    if len(words) <= before + after + 1:
        return " ".join(words)
    return " ".join([*words[:before], "…", *words[len(words) - after :]])


def _append(line: Text, words: str, style: str) -> None:
    if line.plain:
        line.append(" ")
    line.append(words, style)


# ── tools ────────────────────────────────────────────────────────────────────────────────────────


def _tool(difference: ToolDifference) -> Iterator[Line]:
    then, now = difference.then, difference.now
    if difference.what == "result" and then is not None and now is not None:
        results = f"{_result(then)}, now {_result(now)}"
        yield "result", Text(f"{plain(now.name)}: {results}", "dim")
        return
    if then is not None:
        yield "tool", Text(f"- {_call(then)} {_end(then)}", "red")
    if now is not None:
        end = "not run: no such call on record" if difference.not_run else _end(now)
        yield "tool", Text(f"+ {_call(now)} {end}", "green")


def _call(run: ToolRun) -> str:
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in (run.arguments or {}).items()
    )
    return f"{plain(run.name)}({shortened(arguments, _LONGEST)})"


def _end(run: ToolRun) -> str:
    outcome = plain(run.outcome or "no end")
    return f"→ {'' if outcome == 'ok' else f'{outcome}: '}{_result(run)}"


def _result(run: ToolRun) -> str:
    return shortened(run.result or "", 120)


def _line(console: Console, head: Text | str, text: Text) -> None:
    """Print a label, and its text folded to hang beside it."""
    first = head if isinstance(head, Text) else Text(head)
    blank = " " * len(first.plain)
    room = max(_NARROWEST, console.width - len(blank))
    for index, part in enumerate(text.wrap(console, room) or [Text("")]):
        line = Text.assemble(blank if index else first, part)
        line.rstrip()
        console.print(line, soft_wrap=True)
