"""Lines of a report: fit for 80 columns, for a file and for hostile text."""

import textwrap

from rich.console import Console
from rich.text import Text

from bridge.local.plain import plain


def say(console: Console, head: str, text: str, *, style: str = "") -> None:
    """Print a label in its style, and what belongs to it."""
    folded = fold(head, plain(text), console.width)
    console.print(Text.assemble((head, style), folded[len(head) :]), soft_wrap=True)


def fold(head: str, text: str, width: int) -> str:
    """Fold text at the edge; the lines hang below the text if the head is a padded label.

    Words are never broken, so that a path or a URL can be copied.
    """
    column = len(head) if head.endswith(" ") else 0
    blank = len(head) - len(head.lstrip())
    return head + textwrap.fill(
        text,
        width,
        initial_indent=" " * len(head),
        subsequent_indent=" " * max(blank + 2, column),
        break_long_words=False,
        break_on_hyphens=False,
    ).removeprefix(" " * len(head))
