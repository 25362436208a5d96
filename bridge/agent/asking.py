"""The question before a deed: the bridge asks it, word for word, and the reply ends with it.

The model cannot leave it out or ask something else, so a yes is a yes to what will be done.
"""

import re
from collections.abc import Mapping
from typing import Any

ASKED = (
    'Not done yet. The caller has just been asked: "{question}". If their next words agree, call '
    "this again with the same arguments. If they do not, or speak of something else, leave it."
)
ONE_AT_A_TIME = "Not done: the caller is being asked something else. Call it again after that."
NOT_ASKED = "Not done: the caller spoke before they could be asked."
UNFIT = "Not done: the arguments do not fit. Correct them and call it again."
SHALL_I = "Shall I go ahead?"
"""What is asked if the question has no words of its own: something must be said."""

_NAME = re.compile(r"\{(\w+)\}")
_MARKS = re.compile(r"[\[\]<>{}*_#`|\\]+")
"""What could be more than words, when it is spoken: pauses, tags, markdown."""
_LONGEST_VALUE = 120
_LONGEST = 600


def names_in(question: str) -> list[str]:
    """The arguments that a question mentions."""
    return _NAME.findall(question)


def question_of(question: str, arguments: Mapping[str, Any]) -> str:
    """Put the arguments in, as words: they come from the model, and so from anybody."""
    words = _NAME.sub(lambda found: _spoken(arguments.get(found[1])), question)[:_LONGEST]
    return words if any(map(str.isalnum, words)) else SHALL_I


def _spoken(value: object) -> str:
    if value is None:
        return ""
    words = value if isinstance(value, list | tuple | set) else [value]
    return " ".join(_MARKS.sub(" ", ", ".join(map(str, words))).split())[:_LONGEST_VALUE]
