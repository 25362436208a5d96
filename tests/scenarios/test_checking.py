from typing import Any

import pytest

from bridge.scenarios.checking import differences
from bridge.scenarios.form import Expect
from bridge.scenarios.outcome import MessageRead, ToolUsed, TurnResult

LOOK = ToolUsed(name="look", arguments={"day": "friday", "seats": 2}, outcome="ok", result="free")
BOOK = ToolUsed(name="book", arguments={"table": 4}, outcome="failed", result="It is taken.")
READ = (
    MessageRead(role="system", content="Be brief."),
    MessageRead(role="user", content="A table,  please"),
    MessageRead(role="tool", content="free"),
)
TURN = TurnResult(
    turn=1,
    line=1,
    did="say",
    said="I’m sorry, table  four is TAKEN. Goodbye.",
    heard="I’m sorry, table",
    tools=(LOOK, BOOK),
    first_word=1.25,
    dead_air=3.5,
    ends="call",
    requests=(READ[:2], READ),
)
NOTHING = TurnResult(turn=1, line=1, did="say")


def found(expect: dict[str, Any], turn: TurnResult = TURN) -> list[tuple[str, str]]:
    told = differences(Expect.model_validate(expect), turn)
    return [(".".join(map(str, path)), problem) for path, problem in told]


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"says": {"contains": ["I'm sorry", "table four is taken"], "never": "fine"}},
        {"says": {"matches": "four is TAKEN"}},
        {"heard": {"contains": "table", "never": "goodbye"}},
        {"tools": ["look", "book"]},
        {"tools": "book"},
        {"tools": {"name": "look", "arguments": {"seats": 2.0}, "outcome": "ok"}},
        {"never_tools": ["cancel"]},
        {"first_word": 1.25, "dead_air": 3.5},
        {"ends": "call"},
        {"history": {"role": "tool", "content": "free"}},
        {"history": [{"role": "system", "content": "brief"},
                     {"role": "user", "content": ["a", "table, please"]}]},
    ],
)  # fmt: skip
def test_what_is_as_expected_is_not_told(expect: dict[str, Any]) -> None:
    assert found(expect) == []


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ({"says": {"contains": ["sorry", "free"]}}, ("says.contains.1", 'no "free": said was "I’m '
         'sorry, table four is TAKEN. Goodbye."')),
        ({"says": {"never": "SORRY"}}, ("says.never.0", '"SORRY" was said: said was "I’m sorry, '
         'table four is TAKEN. Goodbye."')),
        ({"says": {"matches": "four is taken"}}, ("says.matches.0", "no match of four is taken: "
         'said was "I’m sorry, table  four is TAKEN. Goodbye."'.replace("  ", " "))),
        ({"heard": {"contains": "four"}},
         ("heard.contains.0", 'no "four": heard was "I’m sorry, table"')),
        ({"tools": ["book", "look"]}, ("tools.1", "look came too early; used were, in this order: "
         'look(day="friday", seats=2), book(table=4)')),
        ({"tools": {"name": "look", "arguments": {"day": "monday"}}},
         ("tools.0", 'look(day="friday", seats=2) was used, but day is not "monday"')),
        ({"tools": {"name": "look", "arguments": {"seats": "2"}}},
         ("tools.0", 'look(day="friday", seats=2) was used, but seats is not "2"')),
        ({"tools": {"name": "book", "arguments": {"name": "Ada"}}},
         ("tools.0", "book(table=4) was used, but without name")),
        ({"tools": {"name": "book", "outcome": "ok"}}, ("tools.0", "book(table=4) was used, but its"
         ' outcome is failed: "It is taken."')),
        ({"tools": "cancel"}, ("tools.0", 'cancel was not used; used were: look(day="friday", '
         "seats=2), book(table=4)")),
        ({"tools": []}, ("tools", 'no tool was to be used, and used were: look(day="friday", '
         "seats=2), book(table=4)")),
        ({"never_tools": ["x", "book"]}, ("never_tools.1", "book(table=4) was used")),
        ({"first_word": 1.2}, ("first_word", "it came after 1.25 s")),
        ({"dead_air": 3}, ("dead_air", "the caller heard nothing for 3.50 s")),
        ({"ends": "never"}, ("ends", "the call was ended, and was to go on")),
        ({"ends": {"transfer": "+1"}},
         ("ends", "the call was ended, and was to be transferred to +1")),
        ({"history": {"role": "user", "content": "free"}},
         ("history", 'the model was asked with, at the end: user: "A table, please"')),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_told_with_what_was_instead(
    expect: dict[str, Any], told: tuple[str, str]
) -> None:
    assert found(expect) == [told]


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ({"says": {"contains": "a"}}, ("says.contains.0", 'no "a": nothing was said')),
        ({"tools": "look"}, ("tools.0", "look was not used; used were: none")),
        ({"first_word": 1}, ("first_word", "there was no word")),
        ({"dead_air": 1}, ("dead_air", "nothing was played")),
        ({"ends": "call"}, ("ends", "the call went on, and was to end")),
        ({"history": {"role": "user", "content": "a"}}, ("history", "the model was not asked")),
    ],
)
def test_nothing_is_not_what_was_expected(expect: dict[str, Any], told: tuple[str, str]) -> None:
    assert found(expect, NOTHING) == [told]


def test_a_truth_is_no_number() -> None:
    used = NOTHING.model_copy(update={"tools": (ToolUsed(name="t", arguments={"n": True}),)})
    assert found({"tools": {"name": "t", "arguments": {"n": 1}}}, used) != []
    assert found({"tools": {"name": "t", "arguments": {"n": True}}}, used) == []


def test_a_transfer_leads_to_the_number_that_was_expected() -> None:
    turn = TURN.model_copy(update={"ends": {"transfer": "+1"}})
    assert found({"ends": {"transfer": "+1"}}, turn) == []
    told = "the call was transferred to +1, and was to end"
    assert found({"ends": "call"}, turn) == [("ends", told)]
