"""Values one can hear in a sentence: each finder gives the first one and where it stands."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and the part of the text that said it."""

    value: Any
    start: int
    end: int


Finder = Callable[[str], Found | None]

_SMALL_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: number for number, word in enumerate(_SMALL_WORDS.split())}
TENS = {word: 10 * number for number, word in enumerate(_TENS_WORDS.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 1000}

_NUMBER = re.compile(
    r"(?:(?<!\w)(?P<below>minus )|(?<![\w.:/-]))"
    r"(?P<digits>-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,9})?)"
    r"(?!\w|[-:/]\d|\.\d)"
    rf"|\b(?P<minus>minus[ ])?(?:(?P<tens>{'|'.join(TENS)})"
    rf"(?:[ -](?P<unit>{'|'.join(list(SMALL)[1:10])}))?"
    rf"|(?P<small>{'|'.join(sorted(SMALL, key=len, reverse=True))})"
    r"|(?P<a>an?(?=[ ](?:hundred|thousand)\b)))(?:[ ](?P<scale>hundred|thousand))?\b",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_SPOKEN_EMAIL = re.compile(r"\b([\w.+-]{1,64}) at ([\w-]{1,63}) dot (\w{2,24})\b", re.IGNORECASE)
_DATE = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}(?![\w-])")
_MOMENT = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?")
_WEEKDAY = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.IGNORECASE)
_DAY = re.compile(
    rf"(?:\b(?:next|this) )?{_WEEKDAY.pattern}|\b(?:today|tonight|tomorrow)\b", re.IGNORECASE
)
_CLOCK = re.compile(
    r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?: ?[ap]\.?m\b)?|\b\d{1,2} ?[ap]\.?m\b"
    r"|\b(?:\d{1,2}|[a-z]{3,6}) o'clock\b|\b(?:noon|midnight)\b",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<!\w)\+?\d[\d ().-]{4,20}\d(?!\w)")
_CODE = re.compile(
    r"(?<![\w-])#?(?=[a-z-]{0,12}\d)([a-z0-9]{1,24}(?:-[a-z0-9]{1,24}){0,4})\b", re.I
)
_QUOTED = re.compile(r"[\"“«]([^\"“”«»]{1,300})[\"”»]|(?<!\w)['‘]([^'‘’]{1,300})['’](?!\w)")
_ZONE = re.compile(r"\b(?:[A-Z][a-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?|UTC|GMT)\b")
_ZONES = {
    "amsterdam": "Europe/Amsterdam",
    "berlin": "Europe/Berlin",
    "chicago": "America/Chicago",
    "delhi": "Asia/Kolkata",
    "dubai": "Asia/Dubai",
    "hanoi": "Asia/Ho_Chi_Minh",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "madrid": "Europe/Madrid",
    "new york": "America/New_York",
    "paris": "Europe/Paris",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "singapore": "Asia/Singapore",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
}
_ZONE_CITY = re.compile(rf"\b(?:{'|'.join(_ZONES)})\b", re.IGNORECASE)


def first(text: str, *finders: Finder) -> Found | None:
    """What the first successful finder found."""
    return next((found for finder in finders if (found := finder(text)) is not None), None)


def numbers(text: str) -> Iterator[Found]:
    """Every number in the text, in digits or words, in order."""
    for match in _NUMBER.finditer(text):
        if match["digits"]:
            digits = match["digits"].replace(",", "")
            value: float = float(digits) if "." in digits else int(digits)
            value = -value if match["below"] else value
        else:
            word = (match["tens"] or match["small"] or "one").lower()
            value = TENS[word] if word in TENS else SMALL[word]
            value += SMALL[match["unit"].lower()] if match["unit"] else 0
            value *= _SCALES[match["scale"].lower()] if match["scale"] else 1
            value = -value if match["minus"] else value
        yield Found(value, match.start(), match.end())


def email(text: str) -> Found | None:
    """An e-mail address, written, or said with "at" and "dot"."""
    if match := _EMAIL.search(text):
        return Found(match[0], match.start(), match.end())
    if match := _SPOKEN_EMAIL.search(text):
        return Found(f"{match[1]}@{match[2]}.{match[3]}", match.start(), match.end())
    return None


def iso_date(text: str) -> Found | None:
    """A date that is in the calendar, written as 2026-11-20."""
    return next((found for found in _each(_DATE, text) if _valid(date.fromisoformat, found)), None)


def iso_moment(text: str) -> Found | None:
    """A date and time, written as 2026-11-20T18:30."""
    every = _each(_MOMENT, text)
    return next((found for found in every if _valid(datetime.fromisoformat, found)), None)


def quoted(text: str) -> Found | None:
    """What stands between quotation marks."""
    if match := _QUOTED.search(text):
        return Found((match[1] or match[2]).strip(), match.start(), match.end())
    return None


def code(text: str) -> Found | None:
    """Something like an order number: A-1234, #1234, or "ten forty two"."""
    if match := _CODE.search(text):
        return Found(match[1], match.start(), match.end())
    for run in _spoken_runs(text):
        # "One" alone is more often a pronoun than a number.
        if len(run) > 1 or run[0].value > 9:
            digits = "".join(str(found.value) for found in run)
            return Found(digits, run[0].start, run[-1].end)
    return None


def zone(text: str) -> Found | None:
    """A time zone's name, or that of a large city's."""
    if found := next(_each(_ZONE, text), None):
        return found
    if found := next(_each(_ZONE_CITY, text), None):
        return Found(_ZONES[found.value.lower()], found.start, found.end)
    return None


def phone(text: str) -> Found | None:
    """A telephone number, with its digits as they were written."""
    return next(_each(_PHONE, text), None)


def weekday(text: str) -> Found | None:
    """A day of the week."""
    return next(_each(_WEEKDAY, text), None)


def day(text: str) -> Found | None:
    """A day by its name, also one that depends on today."""
    return next(_each(_DAY, text), None)


def clock(text: str) -> Found | None:
    """A time of day."""
    return next(_each(_CLOCK, text), None)


def _spoken_runs(text: str) -> Iterator[list[Found]]:
    """Numbers that follow each other without a word between."""
    run: list[Found] = []
    for found in numbers(text):
        if run and text[run[-1].end : found.start].strip(" ,-"):
            yield run
            run = []
        run.append(found)
    if run:
        yield run


def _each(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    return (Found(match[0], match.start(), match.end()) for match in pattern.finditer(text))


def _valid(parse: Callable[[str], object], found: Found) -> bool:
    try:
        parse(found.value)
    except ValueError:
        return False
    return True
