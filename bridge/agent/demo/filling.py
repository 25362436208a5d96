"""Fill a tool's arguments from what was said, and ask for what is missing."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from bridge.agent.demo import names, values
from bridge.agent.demo.schema import Argument, ToolSpec
from bridge.agent.demo.values import Finder, Found, first
from bridge.agent.demo.words import STOP, listed, plain, stem, words

_FREE_NAMES = """
query question text message note notes reason topic subject content body description search task
title summary comment request prompt item product
"""
_CODE_NAMES = """
id number no code reference ref order ticket booking account invoice sku tracking confirmation
serial reservation
"""
_FREE = frozenset(_FREE_NAMES.split())
_CODES = frozenset(_CODE_NAMES.split())
_CUES_BY_NAME = {
    "from": ("from",),
    "origin": ("from",),
    "departure": ("from",),
    "source": ("from",),
    "to": ("to",),
    "destination": ("to",),
    "recipient": ("to", "for"),
}
_BY_FORMAT: Mapping[str, tuple[Finder, ...]] = {
    "email": (values.email,),
    "date-time": (values.iso_moment,),
    "date": (values.iso_date,),
    "time": (values.clock,),
}
_BY_NAME: tuple[tuple[set[str], tuple[Finder, ...]], ...] = (
    ({"email", "mail"}, (values.email,)),
    ({"timezone", "tz", "zone"}, (values.zone,)),
    ({"phone", "mobile", "telephone"}, (values.phone,)),
    ({"date"}, (values.iso_date, values.day)),
    ({"day", "weekday"}, (values.iso_date, values.weekday)),
    ({"time"}, (values.clock,)),
)
_NAME, _TEXT = 5, (6, 8)
_MOST_OFFERED = 8
_FREE_CUES = ("saying", "that", "about", "for", "to")
_TAKEN = "\n"
"""Stands for what an argument took; a cleaned line has none of its own."""
_NO = re.compile(r"\b(?:no|nope|not|never|without|don'?t|false|off)\b", re.IGNORECASE)
_YES = re.compile(r"\b(?:yes|yeah|yep|sure|ok|okay|true|right|correct|please|on)\b", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^(?:(?:uh|um|well|oh|please|it'?s|it is|that'?s|that is|i'?m in|i am in|my name is|i think|"
    r"say|make it|in|at|for|to|the)\b[\s,]*)+",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?:[\s,]+(?:please|thanks|thank you))*[\s.,!?]*$", re.IGNORECASE)
_HEAD = re.compile(
    r"\b(?:to|for|that|which|whose|where|in|on|like|such|as|e\.g|eg|for example|if|must)\b"
)

Arguments = Mapping[str, Any]


def fill(spec: ToolSpec, said: str) -> dict[str, Any]:
    """The arguments that can be heard in a sentence, in the schema's order.

    The surest kinds are looked for first, and what one argument took no other gets.
    """
    found: dict[str, Any] = {}
    for argument in sorted(spec.arguments, key=_rank):
        if hit := _find(argument, said, spec):
            found[argument.name] = hit.value
            if argument.kind != "boolean":
                said = f"{said[: hit.start]}{_TAKEN * (hit.end - hit.start)}{said[hit.end :]}"
    return {one.name: found[one.name] for one in spec.arguments if one.name in found}


def missing(spec: ToolSpec, arguments: Arguments) -> Argument | None:
    """The first required argument that has no value yet."""
    wanted = (one for one in spec.arguments if one.required and one.name not in arguments)
    return next(wanted, None)


def answered(spec: ToolSpec, argument: Argument, said: str) -> Found | None:
    """The value in an answer to our question, where fewer words are needed than in a sentence."""
    if (hit := _find(argument, said, spec)) and not is_text(argument):
        return hit
    if argument.kind == "boolean":
        if no := _NO.search(said):
            return Found(False, no.start(), no.end())
        yes = _YES.search(said)
        return yes and Found(True, yes.start(), yes.end())
    bare = _LEAD_IN.sub("", _TAIL.sub("", said.strip()))
    if argument.kind != "string" or argument.choices or argument.format in _BY_FORMAT:
        return None
    return Found(bare, 0, len(said)) if set(words(bare)) - STOP else None


def is_name(argument: Argument) -> bool:
    """Whether an argument is filled with a name or a place, the only guess of few words."""
    return _rank(argument) == _NAME


def is_text(argument: Argument) -> bool:
    """Whether an argument is free text, so may be a whole sentence about anything."""
    return argument.kind == "string" and not argument.choices and _rank(argument) in _TEXT


def question(argument: Argument) -> str:
    """Ask for one argument, in the words of its description."""
    clause = re.split(r"[.,;:()\[\]\n]", plain(argument.description, 120), maxsplit=1)[0]
    clause = _HEAD.split(clause, maxsplit=1)[0].strip()
    clause = re.sub(r"^(?:the|a|an|your)\s+", "", clause, flags=re.IGNORECASE)
    if not set(words(clause)) - STOP - {"optional"}:
        clause = " ".join(words(argument.name)) or "value"
    noun = " ".join(clause.split()[:8])
    noun = noun if noun[:2].isupper() else noun[:1].lower() + noun[1:]
    if argument.choices:
        choices = [plain(str(one), 40) for one in argument.choices[:_MOST_OFFERED]]
        return f"Which {noun}: {listed(choices, 'or')}?"
    if argument.kind == "boolean":
        return f"Yes or no: {noun}?"
    return f"What {noun}?" if len(noun.split()) <= 2 else f"What is the {noun}?"


def _rank(argument: Argument) -> int:
    if argument.choices:
        return 0
    about = set(words(argument.name))
    if argument.kind != "string":
        return 4 if argument.kind == "array" else 3
    if _exact(argument.format, about):
        return 1
    if about & _CODES and not about & _FREE:
        return 2
    # Guesses: what is needed goes first, and a name before a text that may contain it.
    return (_NAME + 1 if about & _FREE else _NAME) + (0 if argument.required else 2)


def _find(argument: Argument, said: str, spec: ToolSpec) -> Found | None:
    if argument.choices:
        return _choice(argument, said)
    match argument.kind:
        case "integer" | "number":
            return next((one for one in values.numbers(said) if _fits(argument, one.value)), None)
        case "boolean":
            return _flag(argument, said)
        case "array":
            return _several(argument, said, spec)
        case "object":
            return None
        case "string":
            return _string(argument, said, spec)


def _choice(argument: Argument, said: str) -> Found | None:
    for choice in sorted(argument.choices, key=lambda one: len(str(one)), reverse=True):
        if isinstance(choice, int | float):
            hit = next((one for one in values.numbers(said) if one.value == choice), None)
        else:
            spoken = r"[\W_]+".join(map(re.escape, words(choice)))
            match = spoken and re.search(rf"\b{spoken}(?:s|es|ed|ing)?\b", said, re.IGNORECASE)
            hit = Found(choice, match.start(), match.end()) if match else None
        if hit:
            return Found(choice, hit.start, hit.end)
    return None


def _fits(argument: Argument, value: float) -> bool:
    whole = argument.kind == "number" or value == int(value)
    return whole and argument.low <= value <= argument.high


def _flag(argument: Argument, said: str) -> Found | None:
    wanted = {stem(word) for word in words(argument.name) if word not in STOP}
    for match in re.finditer(r"\w+", said):
        if stem(match[0].lower()) in wanted:
            before = " ".join(said[: match.start()].split()[-3:])
            return Found(not _NO.search(before), match.start(), match.end())
    return None


def _several(argument: Argument, said: str, spec: ToolSpec) -> Found | None:
    item = argument.items or Argument(argument.name)
    if item.kind in ("integer", "number"):
        fitting = [one for one in values.numbers(said) if _fits(item, one.value)]
        if not fitting:
            return None
        return Found([one.value for one in fitting], fitting[0].start, fitting[-1].end)
    if item.choices:
        chosen = [one for one in item.choices if _choice(Argument("", choices=(one,)), said)]
        return Found(chosen, 0, 0) if chosen else None
    hit = _text(argument, said, spec)
    if hit is None:
        return None
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", str(hit.value))
    return Found([part for part in parts if part], hit.start, hit.end)


def _string(argument: Argument, said: str, spec: ToolSpec) -> Found | None:
    about = set(words(argument.name))
    if finders := _exact(argument.format, about):
        return first(said, *finders)
    if about & _FREE:
        return _text(argument, said, spec)
    if about & _CODES:
        return first(said, values.code, values.quoted)
    known = spec.own_words
    cues = next((_CUES_BY_NAME[word] for word in words(argument.name) if word in _CUES_BY_NAME), ())
    called = [f"{' '.join(words(argument.name))} is", *cues] if about else [*cues]
    spoken = partial(names.after, known=known)
    likely = partial(spoken, cues=() if cues else names.CUES, capitals=not argument.required)
    if hit := first(said, values.quoted, partial(spoken, cues=called), likely):
        return hit
    if not argument.required or cues:
        return None
    left_over = partial(names.remaining, known=known | _wanted(spec), most=3)
    return first(said, partial(names.capitalised, known=known), left_over)


def _text(argument: Argument, said: str, spec: ToolSpec) -> Found | None:
    if hit := first(said, values.quoted, partial(names.rest_after, cues=_FREE_CUES)):
        return hit
    return names.remaining(said, spec.own_words | _wanted(spec)) if argument.required else None


def _wanted(spec: ToolSpec) -> frozenset[str]:
    return frozenset(stem(word) for word in words(spec.purpose))


def _exact(form: str, about: set[str]) -> tuple[Finder, ...]:
    """The finders for strings that have one spelling."""
    if form in _BY_FORMAT:
        return _BY_FORMAT[form]
    return next((finders for named, finders in _BY_NAME if about & named), ())
