"""What markdown means at the beginning of a line.

A line begins until something was spoken on it, so the marks may follow one another ("> - [ ] x").
List marks, heading marks and quote marks are dropped; the number of a numbered list is spoken.
A table row is spoken as its cells with commas between them; the row of dashes is dropped.
"""

from collections.abc import Mapping, Sequence

from bridge.speech.brackets import check_box, definition
from bridge.speech.hidden import fence, leaked_json
from bridge.speech.reader import Reader, Rule, Verdict

_RULER = 3
_DEEPEST_HEADING = 6


def start_of_line(reader: Reader) -> Verdict:
    """Read a mark that only means something where a line begins."""
    for rule in _RULES.get(reader.source[reader.at], ()):
        verdict = rule(reader)
        if verdict is not Verdict.PASS:
            return verdict
    return Verdict.PASS


def _indent(reader: Reader) -> Verdict:
    reader.at += 1
    return Verdict.DONE


def _heading(reader: Reader) -> Verdict:
    length = reader.run()
    if not length:
        return Verdict.WAIT
    following = reader.char(length)
    if length == 1 and following and not following.isspace():
        return Verdict.PASS  # "#1", "#sale"
    if length <= _DEEPEST_HEADING:
        reader.spoken.block = "heading"
    return reader.drop(length, "markdown")


def _ruler(reader: Reader) -> Verdict:
    """Drop three or more in a row: a rule, an underline, or the opening of `***both***`."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    return reader.drop(length, "markdown") if length >= _RULER else Verdict.PASS


def _item(reader: Reader) -> Verdict:
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    hasty = reader.char() == "-" and following.isalpha()  # "-item", not "-5"
    if following and not following.isspace() and not hasty:
        return Verdict.PASS
    return _bullet(reader)


def _bullet(reader: Reader) -> Verdict:
    reader.spoken.block = "item"
    return reader.drop(1, "markdown")


def _quote(reader: Reader) -> Verdict:
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    if following.isdigit() or following == "=":
        return Verdict.PASS
    return reader.drop(1, "markdown")


def _row(reader: Reader) -> Verdict:
    if reader.spoken.block != "row":
        reader.spoken.block = "row"
        return reader.drop(1, "table")
    reader.at += 1
    return Verdict.DONE


def _row_of_dashes(reader: Reader) -> Verdict:
    if reader.spoken.block != "row":
        return Verdict.PASS
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    if following and following not in "-:| \t\r\n":
        return Verdict.PASS
    reader.at += 1
    return Verdict.DONE


_RULES: Mapping[str, Sequence[Rule]] = {
    " ": (_indent,),
    "\t": (_indent,),
    "#": (_heading,),
    "-": (_row_of_dashes, _ruler, _item),
    ":": (_row_of_dashes,),
    "*": (_ruler, _item),
    "+": (_item,),
    "_": (_ruler,),
    "=": (_ruler,),
    "~": (fence,),
    ">": (_quote,),
    "|": (_row,),
    "{": (leaked_json,),
    "[": (leaked_json, definition, check_box),
    **dict.fromkeys("•‣◦▪●·", (_bullet,)),
}
