import sys
from typing import Any

import pytest

from bridge.call.ledger import Entry, Ledger, ToolOutcome, ToolUse
from bridge.protocol import Utterance


def asked(text: str) -> tuple[Utterance, ...]:
    return (Utterance("user", text),)


def done(
    ledger: Ledger, entry: Entry, outcome: ToolOutcome | None = "ok", identity: str = "{}"
) -> ToolUse:
    use = ledger.use(entry, "book", {}, identity)
    if outcome is not None:
        use.result, use.outcome = "booked", outcome
        entry.knows.append(use)
    return use


def answered(entry: Entry, **flags: Any) -> None:
    entry.speaks()
    entry.said, entry.over, entry.whole = "Booked.", True, True
    for name, value in flags.items():
        setattr(entry, name, value)


@pytest.mark.parametrize(
    ("outcome", "found"),
    [("ok", True), ("timeout", True), (None, True), ("failed", False), ("cancelled", False)],
)
def test_an_equal_use_is_found_unless_it_failed(outcome: ToolOutcome | None, found: bool) -> None:
    ledger = Ledger()
    use = done(ledger, ledger.open(1, asked("book")), outcome)
    assert ledger.same_use("book", "{}") is (use if found else None)
    assert ledger.same_use("book", '{"room": 7}') is None
    assert ledger.same_use("cancel", "{}") is None


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, True),
        ({"cut": True}, False),  # also while it was played
        ({"failed": True}, False),  # the caller heard an apology
        ({"whole": False}, False),
    ],
)
def test_an_outcome_is_told_once_a_whole_answer_was_heard(
    flags: dict[str, bool], told: bool
) -> None:
    ledger = Ledger()
    entry = ledger.open(1, asked("book"))
    use = done(ledger, entry)
    answered(entry, **flags)
    ledger.heard(entry)
    assert use.told is told
    assert (ledger.same_use("book", "{}") is None) is told


def test_an_answer_that_said_nothing_after_the_tool_tells_nothing_of_it() -> None:
    ledger = Ledger()
    entry = ledger.open(1, asked("book"))
    entry.speaks()  # "One moment."
    use = done(ledger, entry)
    entry.said, entry.over, entry.whole = "One moment.", True, True
    ledger.heard(entry)
    assert not use.told


def test_an_answer_tells_only_what_was_done_when_it_was_asked_for() -> None:
    ledger = Ledger()
    first = ledger.open(1, asked("book"))
    use = done(ledger, first, None)
    first.cut = True
    second = ledger.open(2, asked("hello?"))
    use.result, use.outcome = "booked", "ok"  # while the second answer is spoken
    answered(second)
    ledger.heard(second)
    assert not use.told
    third = ledger.open(3, asked("so?"))
    answered(third)
    ledger.heard(third)
    assert use.told


def test_a_turn_thought_ahead_leaves_no_trace_until_it_is_asked_for() -> None:
    ledger = Ledger()
    first = ledger.open(1, asked("book"))
    draft = ledger.open(None, asked("so?"))
    done(ledger, draft)
    assert ledger.entries == [first]
    assert ledger.same_use("book", "{}") is None
    assert first.transcript, "what Millis said is still known"
    ledger.promote(draft, 2, asked("So?"))
    assert ledger.find(2) is draft
    assert ledger.same_use("book", "{}") is not None


def test_ids_are_unlike_any_other_also_in_another_ledger_of_the_call() -> None:
    uses = [done(ledger, ledger.open(1, ())) for ledger in (Ledger(), Ledger()) for _ in range(50)]
    assert len({use.id for use in uses}) == 100
    assert all(use.id.isalnum() and len(use.id) == 9 for use in uses)


def test_hours_of_talk_are_not_kept() -> None:
    ledger = Ledger()
    lines: list[Utterance] = []
    for number in range(200):
        lines += [Utterance("user", f"{number} " + "word " * 5000)]
        entry = ledger.open(number, tuple(lines))
        ledger.forget_before(entry)
        answered(entry, said="x" * 4000)
        done(ledger, entry).result = "y" * 16_000
        ledger.heard(entry)
        for use in entry.uses:
            use.told = True
    assert all(entry.transcript == () for entry in ledger.entries[:-1])
    kept = sum(sys.getsizeof(entry.asked) + len(entry.said) for entry in ledger.entries)
    assert kept < 200 * 300 + 3 * 4000
    assert sum(len(use.result or "") for e in ledger.entries for use in e.uses) < 1_100_000


def test_the_last_answer_is_kept_until_there_is_another_one() -> None:
    ledger = Ledger()
    answered(ledger.open(1, asked("book")))
    ledger.open(0, ())  # the opening on a new socket, and on another
    ledger.forget_before(ledger.open(0, ()))
    assert ledger.entries[0].said == "Booked."
    answered(ledger.open(2, asked("so?")))
    newest = ledger.open(3, asked("and?"))
    ledger.forget_before(newest)
    assert [entry.said for entry in ledger.entries] == ["", "", "", "Booked.", ""]


def test_a_call_that_was_under_way_goes_on_after_what_another_socket_knew() -> None:
    before, now = Ledger(), Ledger()
    first, second = before.open(1, asked("a")), now.open(1, asked("b"))
    now.follow(before)
    assert now.entries == [first, second]
