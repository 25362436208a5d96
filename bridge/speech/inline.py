"""What markdown means inside a line: emphasis, code, escapes, cells.

No pair of marks is ever matched up, because the closing one may be a sentence away. Whether a mark
is markup shows from its neighbours alone, so that the words after it need not wait.
"""

from bridge.speech.hidden import fence
from bridge.speech.reader import Reader, Verdict

_AFTER_A_LONE_MARK = frozenset(".,;:!?)\ufe0f\u20e3")  # the last two make a keycap
_SAID_WHEN_ESCAPED = frozenset("_$#.!-+()&%@'\",:;/?=^")


def stars(reader: Reader) -> Verdict:
    """Drop emphasis; say "times" between numbers and "star" for the telephone key."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    before, following = reader.char(-1), reader.char(length)
    if before.isdigit() and following.isdigit():
        reader.at += length
        reader.spoken.word("times" if length == 1 else "to the power of")
        return Verdict.DONE
    alone = not following or following.isspace() or following in _AFTER_A_LONE_MARK
    if length == 1 and before.isspace() and alone:
        reader.at += 1
        calculating = reader.spoken.seen.isdigit() or reader.spoken.seen == ")"
        reader.spoken.word("times" if calculating else "star")
        return Verdict.DONE
    return reader.drop(length, "markdown")


def underscores(reader: Reader) -> Verdict:
    """Drop emphasis; inside a word, as in `snake_case`, keep them."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    if reader.char(-1).isalnum() and reader.char(length).isalnum():
        reader.spoken.say("_" * length)
        reader.at += length
        return Verdict.DONE
    return reader.drop(length, "markdown")


def tildes(reader: Reader) -> Verdict:
    """Drop strike-through marks; say "about" before a number and "to" between two."""
    length = reader.run()
    if not length:
        return Verdict.WAIT
    following = reader.char(length)
    if length == 1 and (following.isdigit() or following in ("$", "€", "£")):
        reader.spoken.word("to" if reader.char(-1).isdigit() else "about")
        reader.at += 1
        return Verdict.DONE
    return reader.drop(length, "markdown")


def backticks(reader: Reader) -> Verdict:
    """Drop the marks around code in a line and keep its text; drop a fenced block whole."""
    verdict = fence(reader)
    if verdict is not Verdict.PASS:
        return verdict
    return reader.drop(reader.run(), "markdown")


def backslash(reader: Reader) -> Verdict:
    """Keep an escaped sign if it can be spoken, drop it if it is markup."""
    following = reader.char(1)
    if not following and not reader.final:
        return Verdict.WAIT
    if following in _SAID_WHEN_ESCAPED:
        reader.at += 2
        reader.spoken.say(following)
        return Verdict.DONE
    if following.isalnum():
        reader.spoken.say(" ")
    return reader.drop(2 if following and following in "\\`*~[]{}|<>" else 1, "markdown")


def curly(reader: Reader) -> Verdict:
    """Drop a curly bracket and keep what it encloses."""
    return reader.drop(1, "markdown")


def pipe(reader: Reader) -> Verdict:
    """Put a comma between two cells, once the second has come."""
    reader.spoken.gap = ", "
    reader.at += 1
    return Verdict.DONE


def line_break(reader: Reader) -> Verdict:
    """End the line."""
    reader.at += 1
    reader.spoken.new_line()
    return Verdict.DONE


def space(reader: Reader) -> Verdict:
    """Say one space; `Spoken` makes sure that it stays one."""
    reader.at += 1
    reader.spoken.say(" ")
    return Verdict.DONE
