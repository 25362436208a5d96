"""Everything that begins with `<`: thinking aloud, tags, addresses in brackets, comparisons."""

import re
from collections.abc import Mapping

from bridge.speech.address import say_email, say_url
from bridge.speech.reader import Hidden, Kind, Reader, Verdict, beginning_of

# Dropped with what they enclose. Reasoning models differ in the name; templates for tools leak too.
_THINKING = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "scratchpad")
_TOOLS = (
    "tool_call",
    "tool_calls",
    "tool_response",
    "tool_result",
    "function_call",
    "function_calls",
)
_ENCLOSING: Mapping[str, Kind] = {
    **dict.fromkeys(_THINKING, "think"),
    **dict.fromkeys(_TOOLS, "tool"),
}
_BREAKING = frozenset(("br", "p", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "hr"))

_NAME = r"[A-Za-z][\w:-]{0,31}"
# Attributes need a value: without that rule, "a <b and c" would be held far too long.
_ATTRIBUTE = r"""\s{1,4}[\w:-]{1,32}=(?:"[^"<>]{0,120}"|'[^'<>]{0,120}'|[^\s"'<>]{1,120})"""
_TAG = re.compile(rf"<(/?)({_NAME})(?:{_ATTRIBUTE}){{0,4}}\s{{0,4}}(/?)>")
_MAY_BE_VALUE = r"""(?:"[^"<>]{0,120}|'[^'<>]{0,120}|[^\s"'<>]{0,120})"""
_MAY_BE_ATTRIBUTE = rf"\s{{1,4}}(?:[\w:-]{{1,32}}(?:={_MAY_BE_VALUE})?)?"
_MAY_BE_TAG = beginning_of(
    "<", "/?", rf"{_NAME}(?:{_ATTRIBUTE}){{0,4}}", rf"(?:{_MAY_BE_ATTRIBUTE}|\s{{0,4}}/?)"
)
_SPECIAL_TOKEN = re.compile(r"<\|\w{1,32}\|>")
_MAY_BE_SPECIAL_TOKEN = beginning_of("<", r"\|", r"\w{1,32}", r"\|")
_ADDRESS = re.compile(
    r"<(?!\d)(?:mailto:)?(https?://[^\s<>]{1,300}|[\w.!#$%&'+/=?^-]{1,64}@[\w.-]{1,255})>", re.I
)
_MAY_BE_ADDRESS = re.compile(r"<[^\s<>]{0,324}\Z")
_COMMENT = Hidden(re.compile("-->"), reach=2)


def angle(reader: Reader) -> Verdict:
    """Read what a `<` begins.

    Known thinking and tool tags take what they enclose with them, unclosed up to the end of the
    message; a lone closing tag is only dropped itself. Other tags are dropped and their text kept.
    """
    tag = _TAG.match(reader.source, reader.at)
    if tag:
        return _drop_tag(reader, tag)
    token = _SPECIAL_TOKEN.match(reader.source, reader.at)
    if token:
        return reader.drop(len(token[0]), "tag")
    if reader.source.startswith("<!--", reader.at):
        reader.hidden = _COMMENT
        return reader.drop(4, "tag")
    address = _ADDRESS.match(reader.source, reader.at)
    if address:
        reader.at += len(address[0])
        say = say_url if address[1].lower().startswith("http") else say_email
        say(reader.spoken, address[1])
        return Verdict.DONE
    if _may_be_more(reader):
        return Verdict.WAIT
    return _compare(reader)


def _may_be_more(reader: Reader) -> bool:
    if reader.char(1).isdigit():
        return False  # "<5" is a comparison, whatever follows
    patterns = (_MAY_BE_TAG, _MAY_BE_SPECIAL_TOKEN, _MAY_BE_ADDRESS)
    return any(reader.may_become(pattern) for pattern in patterns)


def _drop_tag(reader: Reader, tag: re.Match[str]) -> Verdict:
    closing, name, empty = tag[1], tag[2].lower(), tag[3]
    if name in _BREAKING:
        reader.spoken.new_line()
    if closing or empty or name not in _ENCLOSING:
        return reader.drop(len(tag[0]), "tag")
    closes = re.compile(rf"</{re.escape(name)}\s{{0,4}}>", re.IGNORECASE)
    reader.hidden = Hidden(closes, reach=len(name) + 7)
    return reader.drop(len(tag[0]), _ENCLOSING[name])


def _compare(reader: Reader) -> Verdict:
    following = reader.char(1)
    if following == "=":
        reader.at += 2
        reader.spoken.word("less than or equal to")
    elif following in ("-", "<", ">", "/"):
        return reader.drop(1, "tag")
    else:
        reader.at += 1
        reader.spoken.word("less than")
    return Verdict.DONE
