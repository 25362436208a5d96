"""Which rule looks at which character."""

import re

from bridge.speech import address, brackets, inline, symbols, tags
from bridge.speech.characters import LINE_BREAKS
from bridge.speech.reader import Hidden, Reader, Rule, Verdict

_SOURCES = Hidden(re.compile("\ue201"), reach=0)


def _source_marks(reader: Reader) -> Verdict:
    """Drop what OpenAI's web search puts between two private characters."""
    reader.hidden = _SOURCES
    return reader.drop(1, "citation")


_RULES: dict[str, Rule] = {
    "\\": inline.backslash,
    "`": inline.backticks,
    "*": inline.stars,
    "_": inline.underscores,
    "~": inline.tildes,
    "{": inline.curly,
    "}": inline.curly,
    "|": inline.pipe,
    " ": inline.space,
    "\t": inline.space,
    "[": brackets.opening,
    "]": brackets.closing,
    "【": brackets.lenticular,
    "!": brackets.exclamation,
    "<": tags.angle,
    ">": symbols.greater,
    "#": symbols.number_sign,
    "@": address.at_sign,
    "&": symbols.ampersand,
    "+": symbols.plus,
    "=": symbols.equals,
    "^": symbols.caret,
    "-": symbols.dashes,
    "−": symbols.minus,
    "•": symbols.dot,
    "\ue200": _source_marks,
}
_RULES |= dict.fromkeys(LINE_BREAKS, inline.line_break)
_RULES |= dict.fromkeys(symbols.WORDS, symbols.named)
_RULES |= dict.fromkeys("hHwW", address.url)


def inside_line(reader: Reader) -> Verdict:
    """Read a special character by its rule; one that no rule wants is spoken as it is."""
    char = reader.char()
    verdict = _RULES.get(char, symbols.unspeakable)(reader)
    if verdict is Verdict.PASS:
        reader.spoken.say(char)
        reader.at += 1
        return Verdict.DONE
    return verdict
