"""A call in a test, told for whoever has to find out why the test failed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bridge.local.plain import cut, plain
from bridge.local.speaking import Habits, turn_over
from bridge.testing.reply import Reply
from bridge.testing.witness import ToolUsed

_LONGEST: Final = 400
"""Characters of one thing that are shown."""


def story(
    replies: Sequence[Reply], habits: Habits, unasked: Iterable[tuple[float, str]] = ()
) -> str:
    """Write a line for each thing that happened: when, who, what. `unasked`: into silences."""
    moments = [moment for reply in replies for moment in _moments(reply, habits)]
    moments += [(at, "agent", _shown(words)) for at, words in unasked]
    moments.sort(key=lambda moment: moment[0])  # a stable sort: in doubt, as they came
    return "\n".join(f"{at:7.2f}  {who:<6}  {what}" for at, who, what in moments)


def _moments(reply: Reply, habits: Habits) -> Iterator[tuple[float, str, str]]:
    if reply.asked:
        said_at = reply.at - turn_over(reply.asked, habits)
        yield max(0.0, said_at), "caller", _shown(reply.asked)
    for tool in reply.tools:
        yield from _uses(tool)
    at = reply.at + (reply.first_word or 0.0)
    if reply.text.strip():
        yield at, "agent", _shown(reply.text)
    elif reply.answer.ended:
        yield at, "agent", "(says nothing)"
    if reply.interrupted:
        yield at, "", f"(cut off after: {_shown(reply.heard)!r})"
    if reply.failure:
        yield at, "", f"(this is an apology: {reply.failure})"
    if reply.answer.lost:
        yield at, "", "(the line was lost)"
    if reply.ends_call:
        yield at, "", "(ends the call)"
    if reply.transfers_to:
        yield at, "", f"(hands the caller over to {_shown(reply.transfers_to)})"


def _uses(tool: ToolUsed) -> Iterator[tuple[float, str, str]]:
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=repr)}"
        for name, value in tool.arguments.items()
    )
    came = "… still runs" if tool.outcome is None else f"→ {tool.outcome}: {tool.result}"
    yield tool.at, "tool", _shown(f"{tool.name}({arguments}) {came}")


def _shown(text: str) -> str:
    return cut(plain(text).strip(), _LONGEST)
