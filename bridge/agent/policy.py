"""How the bridge treats a tool in a call: what an interrupt, a repeat or a delay means for it."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from bridge.agent.asking import names_in

OnInterrupt = Literal["finish", "cancel"]
T = TypeVar("T")

READS_ONLY = "reads only"
"""How a policy in words begins that allows a tool to be run at any time."""
_MARK = "bridge_policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done with a tool. The default assumes that it has side effects."""

    read_only: bool = False
    """It changes nothing: it may start before the turn is certain, and may be stopped."""
    timeout: float | None = None
    """Seconds it may take; None for the setting `tool_timeout`."""
    filler: str = ""
    """What the caller hears when it keeps them waiting; of several lines, one."""
    on_interrupt: OnInterrupt | None = None
    """Whether it runs to its end; None for `cancel` if it is read-only, else `finish`."""
    once: bool | None = None
    """Whether an equal call gets the recorded result until the caller has heard it; None for
    everything that is not read-only."""
    confirm: str = ""
    """What the caller is asked before it runs, in just these words; `{name}` is an argument.
    Empty: it runs without asking."""

    @property
    def acts(self) -> bool:
        """Whether it waits until the turn is certain."""
        return not self.read_only or bool(self.confirm)

    @property
    def stops(self) -> bool:
        """Whether an interrupt cancels it."""
        return (self.on_interrupt or ("cancel" if self.read_only else "finish")) == "cancel"

    @property
    def guarded(self) -> bool:
        """Whether an equal call is not run again before the caller has heard the outcome."""
        return not self.read_only if self.once is None else self.once

    @property
    def in_words(self) -> str:
        """The policy as people read it."""
        words = [
            READS_ONLY if self.read_only else "has side effects",
            "stops when the caller speaks" if self.stops else "runs to its end",
        ]
        if self.guarded:
            words.append("once until its outcome was heard")
        if self.confirm:
            words.append("asks the caller first")
        return " · ".join(words)


def policy(
    *,
    read_only: bool = False,
    timeout: float | None = None,
    filler: str = "",
    on_interrupt: OnInterrupt | None = None,
    once: bool | None = None,
    confirm: str = "",
) -> Callable[[T], T]:
    """Say how the bridge is to treat a tool; over or under LangChain's `@tool`.

    Raises:
        ValueError: a value is not of its kind, or no sensible number of seconds.
    """
    declared = Policy(read_only, timeout, filler, on_interrupt, once, confirm)
    _check(declared)

    def mark(tool: T) -> T:
        _check_question(declared.confirm, tool)
        if hasattr(tool, "metadata"):
            tool.metadata = {**(tool.metadata or {}), _MARK: declared}
        else:  # a function, before @tool
            setattr(tool, _MARK, declared)
        return tool

    return mark


def _check(policy: Policy) -> None:
    seconds = policy.timeout
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and 0 < seconds < math.inf):
        raise ValueError(f"timeout={seconds!r}: give a positive number of seconds")
    if policy.on_interrupt not in (None, "finish", "cancel"):
        raise ValueError(f'on_interrupt={policy.on_interrupt!r}: give "finish" or "cancel"')
    if policy.read_only not in (True, False):
        raise ValueError(f"read_only={policy.read_only!r}: give True or False")
    if policy.once not in (None, True, False):
        raise ValueError(f"once={policy.once!r}: give True or False")
    if type(policy.confirm) is not str:
        raise ValueError(f"confirm={policy.confirm!r}: give the question that the caller is asked")
    if policy.confirm and policy.read_only:
        raise ValueError("confirm: a tool that only reads does nothing to be asked about")


def _check_question(question: str, tool: Any) -> None:
    names = names_in(question)
    if names:
        known = tool.args if hasattr(tool, "args") else inspect.signature(tool).parameters
        for name in names:
            if name not in known:
                raise ValueError(f"confirm={question!r}: the tool has no argument {name!r}")


def policy_of(tool: Any, overrides: Mapping[str, Any] | None = None) -> Policy:
    """The policy that a tool declares, with what bridge.toml says of it on top."""
    declared = (getattr(tool, "metadata", None) or {}).get(_MARK) or getattr(tool, _MARK, None)
    for name in ("func", "coroutine"):
        declared = declared or getattr(getattr(tool, name, None), _MARK, None)
    found = declared if isinstance(declared, Policy) else Policy()
    known = {field.name for field in fields(Policy)}
    return replace(found, **{k: v for k, v in (overrides or {}).items() if k in known})
