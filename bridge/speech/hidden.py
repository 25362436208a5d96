"""What is dropped with all it contains: fenced code and leaked JSON."""

import json
import re

from bridge.speech.reader import Hidden, Reader, Verdict

JSON_LIMIT = 2000
"""Characters of a possible JSON text that are held back; this is the longest hold there is."""

# Only what prose never begins with, so that "[laughs] Hi" and "{name}, hello" are not held.
_JSON_OPENS = re.compile(r'\{\s{0,40}["}]|\[\s{0,40}(?:[{"]|\[\s{0,40}[\[{"\d])')
_JSON_MAY_OPEN = re.compile(r"[\[{]\s{0,40}(?:\[\s{0,40})?\Z")
_JSON_PARTS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_BLANK_LINE = Hidden(re.compile(r"\n[ \t]{0,8}(?=\n)"), reach=10)
_FENCE = 3


def fence(reader: Reader) -> Verdict:
    """Drop a fenced block, up to a fence at least as long; unclosed, up to the end.

    The closing fence counts wherever it stands: models do not always give it its own line.
    """
    length = reader.run()
    if not length:
        return Verdict.WAIT
    if reader.char(-1) == reader.char():
        reader.at += length  # the closing fence was longer than the opening one
        return Verdict.DONE
    if length < _FENCE:
        return Verdict.PASS
    reader.hidden = Hidden(re.compile(re.escape(reader.char() * length)), reach=length - 1)
    return reader.drop(length, "code")


def leaked_json(reader: Reader) -> Verdict:
    """Drop a JSON object or array that begins a line.

    It is held until its brackets balance. Then it is dropped if it parses, and read as prose if
    not. Cut off by the end of the message it is dropped. Beyond `JSON_LIMIT` it is no longer held
    but dropped up to the next blank line.
    """
    if not _JSON_OPENS.match(reader.source, reader.at):
        return Verdict.WAIT if reader.may_become(_JSON_MAY_OPEN) else Verdict.PASS
    length = _balanced_length(reader)
    if length is None and len(reader.source) - reader.at <= JSON_LIMIT:
        if not reader.final:
            return Verdict.WAIT
        return reader.drop(len(reader.source) - reader.at, "json")
    if length is None or length > JSON_LIMIT:
        reader.hidden = _BLANK_LINE
        return reader.drop(1, "json")
    if not _parses(reader.source[reader.at : reader.at + length]):
        return Verdict.PASS
    return reader.drop(length, "json")


def _balanced_length(reader: Reader) -> int | None:
    depth = 0
    for part in _JSON_PARTS.finditer(reader.source, reader.at):
        if part[0] in "{[":
            depth += 1
        elif part[0] in "}]":
            depth -= 1
            if depth == 0:
                return part.end() - reader.at
    return None


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
