"""Everything that begins or ends with a square bracket: links, images, citations, check boxes.

The text of a link is spoken while it arrives: brackets are dropped wherever they stand, and only
the target after `]` is waited for. So "[sic]" is spoken as "sic", and no link is ever held whole.
"""

import re

from bridge.speech.pause import pause
from bridge.speech.reader import Hidden, Reader, Verdict, beginning_of

_NUMBERS = r"\^?\d{1,4}(?:\s{0,2}[,;–-]\s{0,2}\^?\d{1,4}){0,15}"
# The closing bracket is left for `closing`, which also takes a link's target with it.
_CITATION = re.compile(rf"\[(?:{_NUMBERS}|\^[\w-]{{1,32}}|\d{{1,4}}†[^\]\n]{{0,100}})(?=\])")
_MAY_BE_CITATION = re.compile(
    rf"\[(?:(?:{_NUMBERS})?(?:\s{{0,2}}[,;–-]?\s{{0,2}}\^?)?|\^[\w-]{{0,32}}|\d{{1,4}}†[^\]\n]{{0,100}})\Z"
)
_LENTICULAR = re.compile(r"【\s?\d{1,4}(?::\d{1,4})?(?:†[^】\n]{0,100})?】")
_MAY_BE_LENTICULAR = beginning_of("【", r"\s?", r"\d{1,4}", ":?", r"\d{0,4}", r"†[^】\n]{0,100}")
_DEFINITION = re.compile(r"\[(?:\d{1,4}|\^[\w-]{1,32})\]:")
_MAY_BE_DEFINITION = re.compile(r"\[(?:\d{0,4}|\^[\w-]{0,32})\]?\Z")
_REST_OF_LINE = Hidden(re.compile(r"(?=\n)"), reach=0)
_CHECK_BOX = re.compile(r"\[[ xX]\](?=\s)")
_MAY_BE_CHECK_BOX = beginning_of(r"\[", "[ xX]", r"\]")
_TARGET = re.compile(
    r"\]\( ?<?[^\s()<>]{0,500}(?:\([^\s()]{0,100}\)[^\s()<>]{0,300})?>?"
    r"""(?:\s{1,2}["'][^"'\n]{0,200}["'])?\s?\)"""
)
_MAY_BE_TARGET = beginning_of(
    r"\]", r"\(", " ?<?", r"[^\s()<>]{0,500}", r"(?:\([^\s()]{0,100}(?:\)[^\s()<>]{0,300})?)?",
    ">?", r"\s{0,2}", r"""(?:["'][^"'\n]{0,200})?""", """["']?""", r"\s?",
)  # fmt: skip


def opening(reader: Reader) -> Verdict:
    """Read what a `[` begins: a pause, a citation, or text in brackets."""
    verdict = pause(reader)
    if verdict is not Verdict.PASS:
        return verdict
    citation = _CITATION.match(reader.source, reader.at)
    if citation:
        return reader.drop(len(citation[0]), "citation")
    if reader.may_become(_MAY_BE_CITATION):
        return Verdict.WAIT
    return reader.drop(1, "markdown")


def closing(reader: Reader) -> Verdict:
    """Drop a `]`, and the target of a link after it."""
    target = _TARGET.match(reader.source, reader.at)
    if target:
        return reader.drop(len(target[0]), "link")
    if reader.may_become(_MAY_BE_TARGET):
        return Verdict.WAIT
    reader.at += 1  # counted when it was opened
    return Verdict.DONE


def lenticular(reader: Reader) -> Verdict:
    """Drop a citation such as `【4†source】`; other text in these brackets is East Asian."""
    citation = _LENTICULAR.match(reader.source, reader.at)
    if citation:
        return reader.drop(len(citation[0]), "citation")
    return Verdict.WAIT if reader.may_become(_MAY_BE_LENTICULAR) else Verdict.PASS


def exclamation(reader: Reader) -> Verdict:
    """Drop the `!` of an image; its text is spoken like a link's."""
    if not reader.char(1) and not reader.final:
        return Verdict.WAIT
    return reader.drop(1, "markdown") if reader.char(1) == "[" else Verdict.PASS


def definition(reader: Reader) -> Verdict:
    """Drop a line that only says where a citation comes from: `[1]: https://…`."""
    found = _DEFINITION.match(reader.source, reader.at)
    if not found:
        return Verdict.WAIT if reader.may_become(_MAY_BE_DEFINITION) else Verdict.PASS
    reader.hidden = _REST_OF_LINE
    return reader.drop(len(found[0]), "citation")


def check_box(reader: Reader) -> Verdict:
    """Drop the box of a task list."""
    if reader.spoken.block != "item":
        return Verdict.PASS
    found = _CHECK_BOX.match(reader.source, reader.at)
    if found:
        return reader.drop(len(found[0]), "markdown")
    return Verdict.WAIT if reader.may_become(_MAY_BE_CHECK_BOX) else Verdict.PASS
