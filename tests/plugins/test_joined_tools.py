"""Tools of the folder and of MCP servers in one toolbox: names, problems, what has not changed."""

from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool, StructuredTool

from bridge.plugins.failures import ToolFailure
from bridge.plugins.mcp.joined import JoinedTools
from bridge.plugins.mcp.offer import Offer
from bridge.plugins.toolbox import Toolbox


def tool(name: str) -> BaseTool:
    return StructuredTool.from_function(lambda: name, name=name, description=name)


def offer(server: str, *names: str, prefix: str | None = None) -> Offer:
    return Offer(server, prefix, tuple(map(tool, names)), names, away=False)


def away(one: Offer) -> Offer:
    return replace(one, tools=(), away=True, problems=("it cannot be reached",))


def joined(*offers: Offer, own: tuple[str, ...] = ()) -> Toolbox:
    folder = Toolbox(1, tuple(map(tool, own)), files={name: Path("tools/a.py") for name in own})
    return JoinedTools(lambda: folder, lambda: offers, {"end_call"}).current


def names(toolbox: Toolbox) -> list[str]:
    return [tool.name for tool in toolbox.tools]


def reasons(toolbox: Toolbox) -> list[str]:
    return [failure.reason for failure in toolbox.failures]


def test_without_servers_it_is_the_folders_own() -> None:
    folder = Toolbox(1, (tool("clock"),))
    assert JoinedTools(lambda: folder, tuple).current is folder


def test_names_that_are_one_servers_alone_stay() -> None:
    both = joined(offer("crm", "find"), offer("shop", "buy"), own=("clock",))
    assert names(both) == ["clock", "find", "buy"]
    assert both.failures == ()
    assert str(both.files["find"]) == "[mcp.crm]"
    assert str(both.files["clock"]) == "tools/a.py"


def test_a_name_of_two_servers_is_prefixed_for_both_whoever_is_there() -> None:
    crm, shop = offer("crm", "find"), offer("shop", "find", "buy")
    assert names(joined(crm, shop)) == ["crm_find", "shop_find", "buy"]
    assert names(joined(away(crm), shop)) == ["shop_find", "buy"]
    assert reasons(joined(crm, shop)) == [
        "[mcp.crm] its tool 'find' is called as another server's: here it is 'crm_find'",
        "[mcp.shop] its tool 'find' is called as another server's: here it is 'shop_find'",
    ]


@pytest.mark.parametrize("name", ["clock", "end_call"])
def test_a_name_of_ones_own_or_of_the_bridge_stays_its_own(name: str) -> None:
    both = joined(offer("crm", name), own=("clock",))
    assert names(both) == ["clock", f"crm_{name}"]
    assert f"here it is 'crm_{name}'" in reasons(both)[0]


def test_a_prefix_keeps_names_apart_without_a_word() -> None:
    both = joined(offer("crm", "find", prefix="c"), offer("shop", "find"))
    assert names(both) == ["c_find", "find"]
    assert both.failures == ()


def test_what_collides_all_the_same_is_left_out() -> None:
    both = joined(offer("crm", "find"), own=("find", "crm_find"))
    assert names(both) == ["find", "crm_find"]
    assert "left out" in reasons(both)[-1]
    assert names(joined(offer("crm", "x" * 64, prefix="c"))) == []


def test_tools_of_a_server_that_is_away_are_gone_but_may_come() -> None:
    crm = offer("crm", "find")
    gone = joined(away(crm))
    assert names(gone) == []
    assert gone.may_come("find")
    assert not gone.may_come("fnd")
    assert gone.failures == (
        ToolFailure(Path("bridge.toml"), None, "[mcp.crm] it cannot be reached", kept=False),
    )
    assert joined(Offer("new")).may_come("anything")


def test_the_toolbox_is_the_same_as_long_as_nothing_changes() -> None:
    offers = [offer("crm", "find")]
    folder = Toolbox(1, (tool("clock"),))
    both = JoinedTools(lambda: folder, lambda: offers)
    first = both.current
    assert both.current is first
    offers[0] = away(offers[0])
    second = both.current
    assert second is not first
    assert second.version > first.version
    assert second.tools == folder.tools
