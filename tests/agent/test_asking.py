"""The words of the question before a deed."""

from typing import Any

import pytest
from langchain_core.tools import tool

from bridge import policy
from bridge.agent.asking import SHALL_I, names_in, question_of
from bridge.agent.policy import Policy, policy_of


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        ("1042", "Cancel 1042?"),
        (1042, "Cancel 1042?"),
        (["a", "b"], "Cancel a, b?"),
        (None, "Cancel ?"),
        ("a\n  b\tc", "Cancel a b c?"),
        ("[pause 9s]<break/>**{x}**", "Cancel pause 9s break/ x?"),
        ("x" * 1000, f"Cancel {'x' * 120}?"),
        ("{order}", "Cancel order?"),
    ],
)
def test_arguments_are_put_in_as_words(value: object, spoken: str) -> None:
    assert question_of("Cancel {order}?", {"order": value}) == spoken


def test_a_question_is_never_without_words() -> None:
    assert question_of("{order}?", {}) == SHALL_I
    assert question_of("Go {a.b} {0} {}?", {"a": 1}) == "Go {a.b}  {}?"


def test_a_question_is_bounded() -> None:
    long = " ".join(f"{{a{n}}}" for n in range(50))
    assert len(question_of(long, {f"a{n}": "x" * 120 for n in range(50)})) == 600


def test_the_names_of_a_question() -> None:
    assert names_in("Move {order} to {day}?") == ["order", "day"]


@tool
def cancel(order: str) -> str:
    """Cancel an order."""
    return order


def plain(order: str) -> str:
    """Cancel an order."""
    return order


@pytest.mark.parametrize("over", [cancel, plain])
def test_a_question_mentions_only_arguments(over: Any) -> None:
    with pytest.raises(ValueError, match="no argument 'number'"):
        policy(confirm="Cancel {number}?")(over)
    policy(confirm="Cancel {order}?")(over)
    assert policy_of(tool(plain) if over is plain else cancel).confirm == "Cancel {order}?"


@pytest.mark.parametrize("wrong", [{"confirm": True}, {"confirm": "Sure?", "read_only": True}])
def test_what_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="confirm"):
        policy(**wrong)


def test_a_tool_that_asks_waits_until_the_turn_is_certain() -> None:
    assert Policy(confirm="Sure?").acts
    assert Policy(confirm="Sure?", read_only=True).acts  # read_only from bridge.toml
    assert not Policy(read_only=True).acts
    assert "asks the caller first" in Policy(confirm="Sure?").in_words
