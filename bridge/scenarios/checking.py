"""Comparing what came of a turn with what was expected of it. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bridge.local.plain import cut
from bridge.scenarios.form import Expect, Read, ToolWanted, Transfer, Words
from bridge.scenarios.outcome import Action, MessageRead, ToolUsed, TurnResult
from bridge.scenarios.tree import Path

Difference = tuple[Path, str]
"""Where the expectation stands, below `expect`; and what was instead."""

_QUOTES: Final = str.maketrans("’‘“”", "''\"\"")
_LONGEST: Final = 200
"""Characters of one thing that are quoted."""


def differences(expect: Expect, turn: TurnResult) -> Iterator[Difference]:
    """Find everything that is not as expected; what a judge has to say comes elsewhere."""
    if expect.says is not None:
        yield from _words(expect.says, turn.said, ("says",), "said")
    if expect.heard is not None:
        yield from _words(expect.heard, turn.heard, ("heard",), "heard")
    yield from _tools(expect, turn.tools)
    yield from _times(expect, turn)
    if expect.ends is not None:
        yield from _ending(expect, turn.ends)
    if expect.history:
        yield from _history(expect.history, turn.requests)


def in_short(tool: ToolUsed) -> str:
    """A use of a tool on one line."""
    return f"{tool.name}({_arguments(tool.arguments)})"


def _words(words: Words, text: str, path: Path, done: str) -> Iterator[Difference]:
    folded = _folded(text)
    instead = f"{done} was {_quoted(text)}" if text.strip() else f"nothing was {done}"
    for place, wanted in enumerate(words.contains):
        if _folded(wanted) not in folded:
            yield (*path, "contains", place), f"no {_quoted(wanted)}: {instead}"
    for place, unwanted in enumerate(words.never):
        if _folded(unwanted) in folded:
            yield (*path, "never", place), f"{_quoted(unwanted)} was {done}: {instead}"
    for place, pattern in enumerate(words.matches):
        if not re.search(pattern, text):
            yield (*path, "matches", place), f"no match of {pattern}: {instead}"


def _folded(text: str) -> str:
    """Without what one does not hear: case, spacing, the kind of quotes."""
    return " ".join(text.translate(_QUOTES).split()).casefold()


def _tools(expect: Expect, used: Sequence[ToolUsed]) -> Iterator[Difference]:
    told = ", ".join(map(in_short, used)) or "none"
    if expect.tools == () and used:
        yield ("tools",), f"no tool was to be used, and used were: {told}"
    begin = 0
    for place, wanted in enumerate(expect.tools or ()):
        found = next((i for i in range(begin, len(used)) if not _misfit(wanted, used[i])), None)
        if found is None:
            yield ("tools", place), _missing(wanted, used, begin, told)
        else:
            begin = found + 1
    for place, name in enumerate(expect.never_tools):
        for tool in used:
            if tool.name == name:
                yield ("never_tools", place), f"{in_short(tool)} was used"


def _missing(wanted: ToolWanted, used: Sequence[ToolUsed], begin: int, told: str) -> str:
    """Why no use is the wanted one: the nearest that there was, or that it came too early."""
    if any(not _misfit(wanted, tool) for tool in used[:begin]):
        return f"{wanted.name} came too early; used were, in this order: {told}"
    near = next((tool for tool in used[begin:] if tool.name == wanted.name), None)
    if near is not None:
        return f"{in_short(near)} was used, but {_misfit(wanted, near)}"
    return f"{wanted.name} was not used; used were: {told}"


def _misfit(wanted: ToolWanted, used: ToolUsed) -> str:
    """What keeps a use from being the wanted one; empty if nothing does."""
    if used.name != wanted.name:
        return "it is another tool"
    for name, value in wanted.arguments.items():
        if name not in used.arguments:
            return f"without {name}"
        if not _equal(value, used.arguments[name]):
            return f"{name} is not {json.dumps(value, ensure_ascii=False)}"
    if wanted.outcome not in (None, used.outcome):
        return f"its outcome is {used.outcome or 'none'}: {_quoted(used.result)}"
    return ""


def _equal(one: Any, other: Any) -> bool:
    """As JSON tells values apart: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _times(expect: Expect, turn: TurnResult) -> Iterator[Difference]:
    if expect.first_word is not None:
        if turn.first_word is None:
            yield ("first_word",), "there was no word"
        elif turn.first_word > expect.first_word:
            yield ("first_word",), f"it came after {turn.first_word:.2f} s"
    if expect.dead_air is not None and turn.dead_air is not None:
        if turn.dead_air > expect.dead_air:
            yield ("dead_air",), f"the caller heard nothing for {turn.dead_air:.2f} s"
    elif expect.dead_air is not None:
        yield ("dead_air",), "nothing was played"


def _ending(expect: Expect, ends: Action | None) -> Iterator[Difference]:
    done = _ending_in_words(ends)
    match expect.ends:
        case "call" if ends != "call":
            yield ("ends",), f"{done}, and was to end"
        case "never" if ends is not None:
            yield ("ends",), f"{done}, and was to go on"
        case Transfer(transfer=number) if ends != {"transfer": number}:
            yield ("ends",), f"{done}, and was to be transferred to {number}"
        case _:
            pass


def _ending_in_words(ends: Action | None) -> str:
    if ends is None:
        return "the call went on"
    if isinstance(ends, dict):
        return f"the call was transferred to {ends['transfer']}"
    return "the call was ended"


def _history(
    wanted: Sequence[Read], requests: Sequence[Sequence[MessageRead]]
) -> Iterator[Difference]:
    """The messages are to be the last ones of one of the requests."""
    if not requests:
        yield ("history",), "the model was not asked"
        return
    if not any(_ends_with(request, wanted) for request in requests):
        last = "; ".join(f"{m.role}: {_quoted(m.content)}" for m in requests[0][-len(wanted) :])
        yield ("history",), f"the model was asked with, at the end: {last}"


def _ends_with(request: Sequence[MessageRead], wanted: Sequence[Read]) -> bool:
    end = request[-len(wanted) :]
    return len(end) == len(wanted) and all(
        message.role == read.role
        and all(_folded(part) in _folded(message.content) for part in read.content)
        for message, read in zip(end, wanted, strict=True)
    )


def _arguments(arguments: dict[str, Any]) -> str:
    written = (
        f"{name}={json.dumps(value, ensure_ascii=False, default=repr)}"
        for name, value in arguments.items()
    )
    return cut(", ".join(written), _LONGEST)


def _quoted(text: str) -> str:
    return f'"{cut(" ".join(text.split()), _LONGEST)}"'
