"""The tools of the folder and those of MCP servers, in one toolbox."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from langchain_core.tools import BaseTool

from bridge.plugins.failures import ToolFailure, one_line
from bridge.plugins.mcp.offer import Offer
from bridge.plugins.toolbox import Toolbox

_LONGEST_NAME: Final = 64
_FILE: Final = Path("bridge.toml")


class JoinedTools:
    """One toolbox made of several; the same object as long as none of them changes."""

    def __init__(
        self,
        folder: Callable[[], Toolbox],
        offers: Callable[[], Sequence[Offer]],
        reserved: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._offers = offers
        self._reserved = frozenset(reserved)
        self._parts: tuple[Toolbox | Offer, ...] = ()
        self._made = Toolbox()

    @property
    def current(self) -> Toolbox:
        """All tools that can be used now."""
        folder, offers = self._folder(), self._offers()
        if not offers:
            return folder
        parts: tuple[Toolbox | Offer, ...] = (folder, *offers)
        if [*map(id, parts)] != [*map(id, self._parts)]:
            version = self._made.version + 1
            self._made = replace(_joined(folder, offers, self._reserved), version=version)
            self._parts = parts
        return self._made


def _joined(folder: Toolbox, offers: Sequence[Offer], reserved: Collection[str]) -> Toolbox:
    """Put a server's name before a tool's, if the tool's is not its alone.

    Tools of servers that are away count, too: no name depends on who came first.
    """
    own = {*reserved, *(tool.name for tool in folder.tools)}
    count = Counter(_plain(offer, name) for offer in offers for name in offer.known)
    tools: dict[str, tuple[BaseTool, str]] = {}
    away: set[str] = set()
    failures = list(folder.failures)
    for offer in offers:
        failures += [_failure(offer.server, problem) for problem in offer.problems]
        there = {tool.name: tool for tool in offer.tools}
        for name in offer.known:
            shown = _plain(offer, name)
            if shown in own or count[shown] > 1:
                other = "another server's" if shown not in own else "one that is here"
                shown = f"{offer.server}_{name}"
                reason = f"its tool {name!r} is called as {other}: here it is {shown!r}"
                failures.append(_failure(offer.server, reason))
            if shown in own or shown in tools or len(shown) > _LONGEST_NAME:
                reason = f"its tool {name!r} is left out: set another prefix than {shown!r}"
                failures.append(_failure(offer.server, reason))
            elif tool := there.get(name):
                tools[shown] = (_called(tool, shown), offer.server)
            else:
                away.add(shown)
    files = {name: Path(f"[mcp.{server}]") for name, (_, server) in tools.items()}
    return replace(
        folder,
        tools=(*folder.tools, *(tool for tool, _ in tools.values())),
        failures=tuple(failures),
        files=MappingProxyType({**folder.files, **files}),
        away=frozenset(away),
        more_may_come=any(offer.away and not offer.known for offer in offers),
    )


def _plain(offer: Offer, name: str) -> str:
    return name if offer.prefix is None else f"{offer.prefix}_{name}"


def _called(tool: BaseTool, name: str) -> BaseTool:
    return tool if tool.name == name else tool.model_copy(update={"name": name})


def _failure(server: str, reason: str) -> ToolFailure:
    return ToolFailure(_FILE, None, one_line(f"[mcp.{server}] {reason}"), kept=False)
