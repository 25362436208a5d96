"""Decide which tools a caller asked for, over as many lines as that took."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from bridge.agent.demo.choosing import choose
from bridge.agent.demo.filling import answered, fill, is_name, is_text, missing, question
from bridge.agent.demo.schema import Argument, ToolSpec
from bridge.agent.demo.words import words

_BREAK = re.compile(r"\s*(?:[;?!]+\s+|\.\s+|,?\s+\b(?:and(?: then| also)?|then|also)\b\s+)", re.I)
_ASIDE = re.compile(
    r"\b(?:never ?mind|forget (?:it|that)|cancel that|goodbye|bye|who are you|what can you)\b"
    r"|^(?:please )?(?:stop|help)\W*$",
    re.IGNORECASE,
)
"""What may be said instead of an answer to our question."""
_ASIDE_WORDS = 6
_MOST_USES = 4
_MOST_CLAUSES = 8
_MOST_LINES = 12
"""How many lines back a question of ours may still be open."""


@dataclass(frozen=True, slots=True)
class Use:
    """One tool the caller asked for, with the arguments heard so far."""

    tool: ToolSpec
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> Argument | None:
        """The argument to ask for next."""
        return missing(self.tool, self.arguments)


Plan = tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of the caller's, and what was answered in words."""

    said: str
    reply: str = ""


def plan(said: str, specs: Sequence[ToolSpec], *, forced: bool = False) -> Plan:
    """The tools one sentence asks for; several if it clearly asks for several things."""
    uses: list[Use] = []
    begins: list[int] = []
    for start, end in _clauses(said):
        use = _use(said[start:end], specs)
        if use is not None and _stands_alone(use, uses):
            uses.append(use)
            begins.append(start)
        elif uses and (again := _again(uses[-1], said[start:end])) and again not in uses:
            uses.append(again)
            begins.append(start)
        elif uses:
            # No request of its own, so more about the one before: "add two | three".
            uses[-1] = replace(uses[-1], arguments=fill(uses[-1].tool, said[begins[-1] : end]))
    if len(uses) > 1:
        return tuple(uses[:_MOST_USES])
    whole = _use(said, specs, forced=forced)
    return (whole,) if whole else ()


def open_question(pending: Plan) -> str:
    """What must be asked before the plan can be carried out; empty if nothing."""
    wanted = next((use.missing for use in pending if use.missing), None)
    return question(wanted) if wanted else ""


def settle(
    past: Sequence[Exchange], said: str, specs: Sequence[ToolSpec], *, forced: bool = False
) -> Plan:
    """The plan for what was just said, if need be as the answer to our last question."""
    pending: Plan = ()
    for exchange in past[-_MOST_LINES:]:
        pending = _next(pending, exchange.said, specs)
        asked = words(open_question(pending))
        if not asked or words(exchange.reply)[-len(asked) :] != asked:
            pending = ()
    return _next(pending, said, specs, forced=forced)


def _next(pending: Plan, said: str, specs: Sequence[ToolSpec], *, forced: bool = False) -> Plan:
    if not pending:
        return plan(said, specs, forced=forced)
    index, use, wanted = next(
        (index, use, use.missing) for index, use in enumerate(pending) if use.missing
    )
    fresh = plan(said, specs)
    asked_for = {one.tool for one in pending}
    if not is_text(wanted) and not all(one.tool in asked_for for one in fresh):
        return fresh
    if _ASIDE.search(said) and len(words(said)) <= _ASIDE_WORDS:
        return ()
    more = fill(use.tool, said)
    if hit := answered(use.tool, wanted, said):
        more[wanted.name] = hit.value
    filled = replace(use, arguments={**more, **use.arguments})
    return (*pending[:index], filled, *pending[index + 1 :])


def _clauses(said: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in islice(_BREAK.finditer(said), _MOST_CLAUSES):
        yield start, match.start()
        start = match.end()
    yield start, len(said)


def _use(said: str, specs: Sequence[ToolSpec], *, forced: bool = False) -> Use | None:
    tool = choose(said, specs, forced=forced)
    return None if tool is None else Use(tool, fill(tool, said))


def _again(use: Use, clause: str) -> Use | None:
    """The same for another name: "the weather in Paris | in London"."""
    wanted = [one for one in use.tool.arguments if one.required]
    if use.missing or len(wanted) != 1 or len(words(clause)) > 4 or not is_name(wanted[0]):
        return None
    value = fill(use.tool, clause).get(wanted[0].name)
    if not isinstance(value, str) or not value[:1].isupper():
        return None
    return replace(use, arguments={**use.arguments, wanted[0].name: value})


def _stands_alone(use: Use, earlier: Sequence[Use]) -> bool:
    if all(use.tool != other.tool for other in earlier):
        return True
    return use.missing is None and use not in earlier
