"""What was measured, on docs/soak.md."""

import re
import textwrap
from pathlib import Path

from benchmarks.soak.verdict import Kept, counts, table

PAGE = Path(__file__).parents[2] / "docs/soak.md"
_MEASURED = re.compile(r"(?<=<!-- soak -->\n).*(?=<!-- /soak -->)", re.S)


def measured(kept: Kept) -> str:
    """The part of the page that a run writes."""
    lines = textwrap.wrap(counts(kept), 118, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "", table(kept), ""])


def write(kept: Kept) -> None:
    """Put it there."""
    page, times = _MEASURED.subn(lambda _: measured(kept), PAGE.read_text())
    assert times == 1, f"{PAGE} has no place for what was measured"
    PAGE.write_text(page)
