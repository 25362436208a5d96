"""When a caller's words are a yes to a question: one case of each reason that they are not."""

from collections.abc import Callable

import pytest

from bridge.call.ledger import Entry, Ledger, ToolUse
from bridge.call.questions import ANSWER_WITHIN, take_answer
from bridge.protocol import Utterance

QUESTION = "Shall I cancel order 1042?"


def said(*lines: str) -> tuple[Utterance, ...]:
    roles = ("user", "assistant")
    return tuple(Utterance(roles[place % 2], text) for place, text in enumerate(lines))  # type: ignore[arg-type]


class Asked:
    """A call in which the question was asked at 100 s, and what came after it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.first = self.ledger.open(1, said("cancel it"))
        self.use = self.ledger.use(self.first, "cancel", {}, "id")
        self.use.question, self.use.asked_at = "shall i cancel order 1042", 100.0
        self.use.outcome, self.use.result = "refused", "Not done yet."
        self.first.said, self.first.whole, self.first.over = f"Sure. {QUESTION}", True, True
        self.told = said("cancel it", f"Sure. {QUESTION}", "yes")

    def answered(self, name: str = "cancel", identity: str = "id", now: float = 110.0) -> bool:
        answer = self.ledger.open(9, self.told)
        return take_answer(self.ledger.entries, answer, name, identity, now)


def test_words_after_the_question_may_be_a_yes_and_only_once() -> None:
    asked = Asked()
    assert asked.answered()
    assert not asked.answered()


@pytest.mark.parametrize(("name", "identity"), [("cancel", "other"), ("refund", "id")])
def test_they_are_a_yes_to_that_use_only(name: str, identity: str) -> None:
    asked = Asked()
    assert not asked.answered(name, identity)
    asked.ledger.entries.pop()
    assert asked.answered()


@pytest.mark.parametrize(("later", "agreed"), [(ANSWER_WITHIN, True), (ANSWER_WITHIN + 1, False)])
def test_an_answer_that_comes_late_is_none(later: float, agreed: bool) -> None:
    assert Asked().answered(now=100.0 + later) is agreed


def cut(asked: Asked) -> None:
    asked.first.cut = True


def failed(asked: Asked) -> None:
    asked.first.failed = True


def not_sent(asked: Asked) -> None:
    asked.first.whole = False


def more_said(asked: Asked) -> None:
    asked.first.said += " Are you still there?"


def told_in_part(asked: Asked) -> None:
    asked.told = said("cancel it", "Sure. Shall I", "yes")


def not_told(asked: Asked) -> None:
    asked.told = (*said("cancel it"), *said("yes"))


def told_with_more(asked: Asked) -> None:
    asked.told = said("cancel it", f"{QUESTION} One moment.", "yes")


def a_turn_spoke(asked: Asked) -> None:
    between = asked.ledger.open(2, said("cancel it", QUESTION, "no"))
    between.said, between.whole = "All right.", True


def a_turn_began_to_speak(asked: Asked) -> None:
    between = asked.ledger.open(2, said("cancel it", QUESTION, "no"))
    between.said, between.cut = "All", True


def nothing_was_said_since(asked: Asked) -> None:
    asked.told = said("cancel it", f"Sure. {QUESTION}")


def the_same_line_again(asked: Asked) -> None:
    asked.told, asked.first.played = said("cancel it"), True


NO_YES = [
    cut,
    failed,
    not_sent,
    more_said,
    told_in_part,
    not_told,
    told_with_more,
    a_turn_spoke,
    a_turn_began_to_speak,
    nothing_was_said_since,
    the_same_line_again,
]


@pytest.mark.parametrize("happened", NO_YES, ids=lambda case: case.__name__)
def test_in_doubt_there_was_no_yes(happened: Callable[[Asked], None]) -> None:
    asked = Asked()
    happened(asked)
    assert not asked.answered()


def test_a_played_question_need_not_be_told_if_there_are_new_words() -> None:
    asked = Asked()
    asked.first.played = True
    asked.told = (*said("cancel it"), *said("yes"))
    assert asked.answered()


def test_what_is_written_a_little_differently_is_the_same() -> None:
    asked = Asked()
    asked.told = said("cancel it", "sure - shall I CANCEL order 1042", "yes")
    assert asked.answered()


def test_several_lines_of_the_callers_are_one_answer() -> None:
    asked = Asked()
    asked.told = (*said("cancel it", QUESTION, "yes"), Utterance("user", "please"))
    assert asked.answered()


def test_turns_that_were_overtaken_without_a_word_decide_nothing() -> None:
    asked = Asked()
    for stream in (2, 3):
        between = asked.ledger.open(stream, said("cancel it", QUESTION, "yes"))
        between.cut = True
    assert asked.answered()


def test_a_later_question_replaces_an_earlier_one() -> None:
    asked = Asked()
    later = asked.ledger.open(2, asked.told)
    other = asked.ledger.use(later, "cancel", {}, "other")
    other.question, other.asked_at = "shall i cancel order 1057", 105.0
    later.said, later.whole = "Shall I cancel order 1057?", True
    asked.told = (*asked.told, *said("", later.said, "yes")[1:])
    assert not asked.answered(identity="id")
    asked.ledger.entries.pop()
    assert asked.answered(identity="other")


def test_the_opening_can_ask_too() -> None:
    ledger = Ledger()
    first = ledger.open(0, ())
    use = ToolUse("u", "cancel", {}, "id", question="shall i", asked_at=100.0)
    first.uses.append(use)
    first.said, first.whole = "Shall I?", True
    told = (Utterance("assistant", "Shall I?"), Utterance("user", "yes"))
    answer = ledger.open(1, told)
    assert isinstance(answer, Entry)
    assert take_answer(ledger.entries, answer, "cancel", "id", 101.0)
