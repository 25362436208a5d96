"""What counts as a word, and when two words are the same."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()]{0,400}\)")
_LINE_MARK = re.compile(r"^[ \t]*(?:[>#]+|[-+*•](?=\s))[ \t]*", re.MULTILINE)
_BETWEEN = re.compile(r"(?<=\w)[*`~]+(?=\w)|\|")
_MARK = re.compile(r"[*`~]+|(?<!\w)_+|_+(?!\w)")

_GRAMMAR = """
a an the this that these those it its i me my mine you your we us our he she they them their s t d m
ll re ve don doesn didn isn aren is are am was were be been being do does did have has had can could
will would shall should may might must and or but if then so also as than too very just only not no
yes yeah yep nope ok okay what whats which who whom whose when where why how in on at for to of from
with by about into out up down off over under like there here some any all each other another more
most much many now today tomorrow tonight yesterday
"""
_POLITE = """
please thanks thank hello hi hey sorry well um uh hmm really actually maybe need want wanna let know
tell say said give get got go going make take show look looks find check see try use using help ask
think hear good morning afternoon evening night fine great outside right
"""
_IN_ANY_DESCRIPTION = """
caller user person someone tool call calls return returns given lookup current currently e g eg
example optional default value name named called
"""
STOP = frozenset(f"{_GRAMMAR} {_POLITE} {_IN_ANY_DESCRIPTION}".split())
"""Words that say nothing about what is wanted."""

_SAME = {
    "plus": "add",
    "sum": "add",
    "addition": "add",
    "temperature": "weather",
    "forecast": "weather",
    "rain": "weather",
    "raining": "weather",
    "hot": "weather",
    "cold": "weather",
    "warm": "weather",
    "sunny": "weather",
    "clock": "time",
    "oclock": "time",
    "parcel": "order",
    "package": "order",
    "bye": "goodbye",
    "hang": "end",
}
"""Everyday words for what tools are usually named after."""


def words(text: str) -> list[str]:
    """The words of a sentence or of an identifier, in lower case."""
    return [word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def stem(word: str) -> str:
    """A word without its ending, roughly: the same for "add", "adds" and "adding"."""
    word = _SAME.get(word, word)
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        kept = word[: -len(ending)]
        if word.endswith(ending) and len(kept) >= 3 and not word.endswith("ss"):
            word = kept + instead
            break
    if len(word) > 2 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order, numbers left out."""
    return [
        stem(word)
        for word in words(text)
        if word not in STOP and not any(sign.isdigit() for sign in word)
    ]


def clean(text: str, limit: int) -> str:
    """The last `limit` characters on one line, without any that cannot be printed."""
    tail = unicodedata.normalize("NFC", text[-limit:])
    return " ".join("".join(sign if sign.isprintable() else " " for sign in tail).split())


def plain(text: str, limit: int = 600) -> str:
    """Text fit to be spoken: no markdown, no line breaks, not more than `limit` characters."""
    text = _LINE_MARK.sub("", _LINK.sub(r"\1", text[: 4 * limit]))
    text = _MARK.sub("", _BETWEEN.sub(" ", text))
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    kept = [word if "@" in word else word.replace("_", " ") for word in text.split()]
    text = " ".join(kept)
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0]


def listed(parts: list[str], last: str = "and") -> str:
    """The parts as they are said: "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"
