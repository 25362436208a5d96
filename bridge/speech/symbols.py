"""Bare symbols: which word is said for them, and when they belong to a number or a name.

Left alone because every voice reads them well: `$ € £ ¥ % ° ' " ( ) / , . : ;` and digits with
all that stands between them.
"""

import html
import re

from bridge.speech.characters import PICTURE, PICTURE_PARTS, SPECIAL
from bridge.speech.reader import Reader, Verdict

WORDS = {
    "→": "to",
    "⇒": "to",
    "⟶": "to",
    "➜": "to",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "≈": "about",
    "≠": "is not",
    "≤": "at most",
    "≥": "at least",
    "√": "the square root of",
    "∞": "infinity",
    "©": "copyright",
    "№": "number",
    "§": "section",
}
_ENTITY = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|amp|lt|gt|quot|apos|nbsp);")
_MAY_BE_ENTITY = re.compile(
    r"&(?:#(?:\d{0,6}|[xX][0-9a-fA-F]{0,5})|a|am|amp|ap|apo|apos|l|lt|g|gt|q|qu|quo|quot|n|nb|nbs|nbsp)?\Z"
)
_ENTITY_WORDS = {"&": "and", "<": "less than", ">": "greater than"}


def named(reader: Reader) -> Verdict:
    """Say the word for a symbol that always means the same."""
    reader.spoken.word(WORDS[reader.char()])
    reader.at += 1
    return Verdict.DONE


def minus(reader: Reader) -> Verdict:
    """Say a hyphen for the typographic minus sign, which few voices know."""
    reader.spoken.say("-")
    reader.at += 1
    return Verdict.DONE


def dot(reader: Reader) -> Verdict:
    """Put a comma for a bullet inside a line."""
    reader.spoken.gap = ", "
    return reader.drop(1, "markdown")


def dashes(reader: Reader) -> Verdict:
    """Say "to" for an arrow; keep one or two dashes, drop more."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    if reader.char(length) == ">":
        reader.at += length + 1
        reader.spoken.word("to")
    elif length > 2:
        return reader.drop(length, "markdown")
    else:
        reader.spoken.say("-" * length)
        reader.at += length
    return Verdict.DONE


def equals(reader: Reader) -> Verdict:
    """Say "equals", "to" for an arrow, nothing for `==marked==` text and rules."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    following = reader.char(length)
    if following == ">":
        reader.at += length + 1
        reader.spoken.word("to")
        return Verdict.DONE
    marking = length == 2 and reader.char(-1).isspace() != (not following or following.isspace())
    if length > 2 or marking:
        return reader.drop(length, "markdown")
    reader.at += length
    reader.spoken.word("equals")
    return Verdict.DONE


def plus(reader: Reader) -> Verdict:
    """Say "plus" between two words or numbers; keep it in "+1-555", "C++" and "5+"."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    before, following = reader.char(-1), reader.char(length)
    between = (before.isspace() and following.isspace()) or (
        before.isalnum() and following.isalnum()
    )
    if length == 1 and between:
        reader.spoken.word("plus")
    else:
        reader.spoken.say("+" * length)
    reader.at += length
    return Verdict.DONE


def number_sign(reader: Reader) -> Verdict:
    """Keep it in "#1" and "C#", say "pound" for the telephone key, drop it in "#sale"."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    before, following = reader.char(-1), reader.char(length)
    if length > 1 or (following.isalpha() and not before.isalnum()):
        return reader.drop(length, "markdown")
    if following.isdigit() or before.isalnum():
        reader.spoken.say("#")
    elif reader.spoken.block == "heading":  # "# Title #"
        return reader.drop(1, "markdown")
    else:
        reader.spoken.word("pound")
    reader.at += 1
    return Verdict.DONE


def ampersand(reader: Reader) -> Verdict:
    """Say "and", or what an entity such as `&amp;` stands for."""
    entity = _ENTITY.match(reader.source, reader.at)
    if not entity:
        if reader.may_become(_MAY_BE_ENTITY):
            return Verdict.WAIT
        reader.at += 1
        reader.spoken.word("and")
        return Verdict.DONE
    char = html.unescape(entity[0])
    if char in _ENTITY_WORDS:
        reader.spoken.word(_ENTITY_WORDS[char])
    elif char.isspace():
        reader.spoken.say(" ")
    elif len(char) != 1 or SPECIAL.match(char):
        return reader.drop(len(entity[0]), "control")
    else:
        reader.spoken.say(char)
    reader.at += len(entity[0])
    return Verdict.DONE


def greater(reader: Reader) -> Verdict:
    """Say "greater than" before a value; drop a stray `>`."""
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    if following == "=":
        reader.at += 2
        reader.spoken.word("greater than or equal to")
        return Verdict.DONE
    if not (following.isspace() or following.isalnum() or following in ("$", "€", "£", "-")):
        return reader.drop(1, "markdown")
    reader.at += 1
    reader.spoken.word("greater than")
    return Verdict.DONE


def caret(reader: Reader) -> Verdict:
    """Say "to the power of" before a number."""
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    if not following.isdigit():
        return reader.drop(1, "markdown")
    reader.at += 1
    reader.spoken.word("to the power of")
    return Verdict.DONE


def unspeakable(reader: Reader) -> Verdict:
    """Drop an emoji, or a character that has no sound."""
    char, before = reader.char(), reader.char(-1)
    if char in "\u200c\u200d" and "\u0600" <= before <= "\u0dff":
        reader.spoken.say(char)  # spelling, in Persian and in the scripts of India
        reader.at += 1
        return Verdict.DONE
    if not PICTURE.match(char):
        return reader.drop(1, "control")
    if char not in PICTURE_PARTS:
        reader.spoken.loose = True  # "Done!🎉Next" is two sentences
    if PICTURE.match(before):
        reader.at += 1  # a part of the picture before it
        return Verdict.DONE
    return reader.drop(1, "emoji")
