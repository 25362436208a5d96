"""What differs between a call on record and its replay. Pure."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from statistics import median
from typing import Literal

from bridge.call.ledger import plain
from bridge.local.replay_report import End, Pair, Side, Summary, ToolDifference, TurnDifference
from bridge.local.replay_script import BY_AGENT, CUT
from bridge.store.shapes import ToolRun, Turn


def turn_differences(
    connection: int,
    then: Sequence[Turn],
    now: Sequence[Turn],
    *,
    not_run: str,
    asides: Collection[str] = (),
    asked_for_more: Collection[str] = (),
) -> Iterator[TurnDifference]:
    """Compare the turns of one connection.

    `asides`: fillers, which come by the clock and count for nothing. `not_run`: the result of tools
    that were not run. `asked_for_more`: streams on which the model was.
    """
    left = list(now)
    for turn in then:
        today = next((each for each in left if each.stream_id == turn.stream_id), None)
        if today is not None:
            left.remove(today)
        yield TurnDifference(
            connection=connection,
            stream_id=turn.stream_id,
            place=turn.place,
            at_ms=turn.at_ms,
            asked=turn.asked or "",
            then=_side(turn),
            now=None if today is None else _side(today),
            words_differ=today is not None and not _same_words(turn, today, asides),
            outcome_differs=today is None
            or (turn.outcome == "failed") is not (today.outcome == "failed"),
            tools=() if today is None else tuple(_tools(turn, today, not_run)),
            asked_for_more=turn.stream_id in asked_for_more,
        )


def end_of(connection: int, then: str | None, now: str | None) -> End:
    """Compare how a connection ended."""
    agents = {ending for ending in (then, now) if ending in BY_AGENT}
    known = then not in (None, "aborted")
    return End(
        connection=connection,
        then=then,
        now=now,
        differs=known and then != now and bool(agents),
    )


def summed_up(turns: Sequence[TurnDifference]) -> Summary:
    """Count."""
    counts = Counter[str]()
    for turn in turns:
        counts["same"] += turn.same
        counts["words"] += turn.words_differ
        counts["tools"] += turn.tools_differ
        counts["outcome"] += turn.outcome_differs
    both = [
        (turn.then.first_word_ms, turn.now.first_word_ms)
        for turn in turns
        if turn.now is not None and turn.place >= 0
        if turn.then.first_word_ms is not None and turn.now.first_word_ms is not None
    ]
    return Summary(
        turns=len(turns),
        same=counts["same"],
        other_words=counts["words"],
        other_tools=counts["tools"],
        other_outcome=counts["outcome"],
        first_word_p50_ms=Pair(
            then=round(median(then for then, _ in both)) if both else None,
            now=round(median(now for _, now in both)) if both else None,
        ),
    )


def _side(turn: Turn) -> Side:
    return Side(
        said=(turn.said or "").strip(),
        outcome=turn.outcome,
        failure=turn.failure,
        first_word_ms=turn.first_frame_ms,
        whole_ms=None if turn.outcome in CUT else turn.last_frame_ms,
    )


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def _same_words(then: Turn, now: Turn, asides: Collection[str]) -> bool:
    """Whether the same was said; of an answer that was cut, as far as both go."""
    one, other = _spoken(then, asides), _spoken(now, asides)
    if then.outcome in CUT or now.outcome in CUT:
        return one.startswith(other) or other.startswith(one)
    return one == other or (bool(then.tool_runs) and other == _without_tools(then, one, other))


def _without_tools(then: Turn, one: str, other: str) -> str:
    """What was said then but for what a tool said itself: one that is not run says nothing.

    Those are the words that are gone and that no message of the model's had.
    """
    words, now = one.split(), other.split()
    messages = plain(" ".join(message.text or "" for message in then.messages or ()))
    kept: list[str] = []
    matcher = difflib.SequenceMatcher(None, words, now, autojunk=False)
    for what, i, j, _, _ in matcher.get_opcodes():
        spoken = plain(" ".join(words[i:j]))
        if what != "delete" or spoken in messages:
            kept += words[i:j]
    return " ".join(kept)


def _spoken(turn: Turn, asides: Collection[str]) -> str:
    text = f" {_spaced(turn.said or '')} "
    for aside in sorted(filter(None, map(_spaced, asides)), key=len, reverse=True):
        text = text.replace(f" {aside} ", " ")
    return text.strip()


def _spaced(text: str) -> str:
    return " ".join(text.split())


# ── tools ────────────────────────────────────────────────────────────────────────────────────────


_By = Callable[[ToolRun], str]


def _tools(then: Turn, now: Turn, not_run: str) -> Iterator[ToolDifference]:
    """Match equal calls first, then calls of the same tool; the rest is missing, or added."""
    cut = then.outcome in CUT or now.outcome in CUT
    before, after = list(then.tool_runs), list(now.tool_runs)
    for one, other in [*_matched(before, after, _whole), *_matched(before, after, _name)]:
        what = _difference(one, other, cut=cut)
        if what is not None:
            yield ToolDifference(what=what, then=one, now=other, not_run=other.result == not_run)
    for run in before:
        yield ToolDifference(what="missing", then=run)
    for run in after:
        yield ToolDifference(what="added", now=run, not_run=run.result == not_run)


def _matched(before: list[ToolRun], after: list[ToolRun], by: _By) -> list[tuple[ToolRun, ToolRun]]:
    """Take out what fits, in order."""
    pairs = []
    for one in tuple(before):
        other = next((each for each in after if by(each) == by(one)), None)
        if other is not None:
            before.remove(one)
            after.remove(other)
            pairs.append((one, other))
    return pairs


def _difference(
    then: ToolRun, now: ToolRun, *, cut: bool
) -> Literal["arguments", "outcome", "result"] | None:
    if _whole(then) != _whole(now):
        return "arguments"
    if then.outcome != now.outcome:
        stopped = {then.outcome, now.outcome} & {"cancelled", None}
        return None if cut and stopped else "outcome"  # it hangs on when the caller spoke
    return None if then.result == now.result else "result"


def _whole(run: ToolRun) -> str:
    return f"{run.name} {json.dumps(run.arguments, sort_keys=True)}"


def _name(run: ToolRun) -> str:
    return run.name
