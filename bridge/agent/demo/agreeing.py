"""A yes to a question that was asked before a deed: the demo model asks for the deed again."""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import ToolCall

from bridge.agent.asking import ASKED

_ASKED = ASKED.partition("{")[0]
_YES = re.compile(
    r"^\W*(?:(?:oh|well|um|okay|ok),? )?"
    r"(?:yes|yeah|yep|sure|of course|please do|go ahead|do it|okay|ok)\b",
    re.IGNORECASE,
)
_BUT = re.compile(r"\b(?:not?|don't|wait|but|other|instead)\b", re.IGNORECASE)


def agreed_to(talk: Sequence[BaseMessage]) -> ToolCall | None:
    """The tool call that the caller's last line agrees to, if it was asked about just before."""
    if not talk or not isinstance(talk[-1], HumanMessage):
        return None
    said = str(talk[-1].text)
    if not _YES.search(said) or _BUT.search(said):
        return None
    before = list(talk[:-1])
    while before and isinstance(before[-1], AIMessage) and not before[-1].tool_calls:
        before.pop()  # the question itself
    result = before[-1] if before else None
    if not isinstance(result, ToolMessage) or not str(result.text).startswith(_ASKED):
        return None
    calls = [call for message in before for call in getattr(message, "tool_calls", ())]
    return next((call for call in calls if call["id"] == result.tool_call_id), None)
