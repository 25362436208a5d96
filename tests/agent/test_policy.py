import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool

from bridge import policy
from bridge.agent.policy import Policy, policy_of
from bridge.agent.toolcalls import identity_of
from bridge.plugins.adapt import adapt
from bridge.plugins.threads import ToolThreads
from bridge.settings.tables import ToolSettings

MARK = policy(read_only=True, timeout=3, filler="Let me look.", on_interrupt="finish", once=True)
MARKED = Policy(True, 3, "Let me look.", "finish", True)


def over_sync() -> Any:
    @MARK
    @tool
    def look(n: int) -> str:
        """Look."""
        return str(n)

    return look


def under_sync() -> Any:
    @tool
    @MARK
    def look(n: int) -> str:
        """Look."""
        return str(n)

    return look


def over_async() -> Any:
    @MARK
    @tool
    async def look(n: int) -> str:
        """Look."""
        return str(n)

    return look


def under_async() -> Any:
    @tool
    @MARK
    async def look(n: int) -> str:
        """Look."""
        return str(n)

    return look


class Look(BaseTool):
    name: str = "look"
    description: str = "Look."

    def _run(self, n: int) -> str:
        return str(n)


def of_a_class() -> Any:
    return MARK(Look())


@pytest.mark.parametrize("make", [over_sync, under_sync, over_async, under_async, of_a_class])
async def test_a_policy_goes_over_or_under_the_tool_and_survives_its_adapting(
    make: Callable[[], Any],
) -> None:
    made = make()
    assert policy_of(made) == MARKED
    assert policy_of(adapt(made, ToolThreads())) == MARKED
    assert await adapt(made, ToolThreads()).ainvoke({"n": 7}) == "7"


def test_a_tool_without_a_policy_is_taken_to_have_side_effects() -> None:
    @tool
    def book() -> str:
        """Book."""
        return ""

    found = policy_of(book)
    assert (found.read_only, found.stops, found.guarded) == (False, False, True)


def test_a_read_only_tool_may_be_stopped_and_run_again_unless_it_says_otherwise() -> None:
    assert (Policy(read_only=True).stops, Policy(read_only=True).guarded) == (True, False)
    assert not Policy(read_only=True, on_interrupt="finish").stops
    assert Policy(read_only=True, once=True).guarded
    assert Policy(on_interrupt="cancel").stops
    assert not Policy(once=False).guarded


def test_a_policy_leaves_other_metadata_alone() -> None:
    made = StructuredTool.from_function(lambda: "", name="x", description="X", metadata={"a": 1})
    assert (MARK(made).metadata or {})["a"] == 1


def test_what_bridge_toml_says_goes_on_top() -> None:
    table = ToolSettings.model_validate({"read_only": False, "filler": "", "timeout": 9})
    found = policy_of(over_sync(), table.model_dump(exclude_none=True))
    assert found == Policy(False, 9, "", "finish", True)


@pytest.mark.parametrize(
    "bad",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"timeout": "5"},
        {"timeout": True},
        {"on_interrupt": "stop"},
        {"read_only": "yes"},
        {"once": "no"},
    ],
)
def test_a_bad_value_is_named(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        policy(**bad)


@tool
def order(room: int, nights: int = 1, extras: list[str] | None = None) -> str:
    """Order."""
    return f"{room} {nights} {extras}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"room": 7}, {"room": "7"}, True),
        ({"room": 7}, {"nights": 1, "room": 7}, True),
        ({"room": 7}, {"room": 7, "colour": "red"}, True),
        ({"room": 7}, {"room": 8}, False),
        ({"room": 7, "extras": ["a", "b"]}, {"room": 7, "extras": ["b", "a"]}, False),
        ({"room": 10**30}, {"room": 10**30}, True),
    ],
)
def test_calls_are_equal_if_the_tool_reads_the_same_arguments(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    first, second = identity_of(order, one), identity_of(order, other)
    assert first is not None
    assert (first == second) is same


def test_arguments_that_the_tool_refuses_are_not_remembered() -> None:
    assert identity_of(order, {"room": "blue"}) is None


def test_arguments_without_a_json_form_are_still_compared() -> None:
    @tool
    def go(where: Path, tags: set[str]) -> str:
        """Go."""
        return f"{where} {tags}"

    one = identity_of(go, {"where": "/a", "tags": ["x", "y"]})
    assert one == identity_of(go, {"tags": ["y", "x"], "where": "/a"})
    assert one != identity_of(go, {"tags": ["y", "x"], "where": "/b"})
