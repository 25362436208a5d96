"""`[pause 500ms]`: a silence that a model or a template asks for."""

import re

from bridge.speech.reader import Reader, Verdict, beginning_of

DEFAULT_MS = 500
LONGEST_MS = 10_000

_PAUSE = re.compile(
    r"\[\s{0,4}pause(?:[\s:=]{1,4}(\d{1,6}(?:\.\d{1,3})?)\s{0,2}"
    r"(ms|milliseconds?|s|secs?|seconds?)?)?\s{0,4}\]",
    re.IGNORECASE,
)
_MAY_BE_PAUSE = beginning_of(
    r"\[\s{0,4}", *"pause", r"[\s:=]{0,4}", r"\d{0,6}", r"\.?\d{0,3}", r"\s{0,2}",
    r"[ms]?[a-z]{0,11}", r"\s{0,4}",
)  # fmt: skip


def pause(reader: Reader) -> Verdict:
    """Turn a pause mark into a pause.

    Written `[pause]` (500 ms), `[pause 500ms]`, `[pause 1.5s]` or `[pause 500]` (milliseconds); no
    pause is longer than ten seconds. Anything else in the brackets makes it prose.
    """
    found = _PAUSE.match(reader.source, reader.at)
    if not found:
        return Verdict.WAIT if reader.may_become(_MAY_BE_PAUSE) else Verdict.PASS
    reader.at += len(found[0])
    milliseconds = _milliseconds(found[1], found[2])
    if milliseconds:
        reader.spoken.pause(milliseconds)
    return Verdict.DONE


def _milliseconds(amount: str | None, unit: str | None) -> int:
    if amount is None:
        return DEFAULT_MS
    factor = 1000 if unit and unit.lower().startswith("s") else 1
    return min(round(float(amount) * factor), LONGEST_MS)
