"""Which characters stop the reader; all others are words and are forwarded as they come."""

import re
import unicodedata

LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"

# Zero-width and bidi marks, variation selectors, the keycap's frame, tags, private use, surrogates.
_INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20e3\ufe00-\ufe0f\ufeff\ufff9-\ufffd\ud800-\udfff\ue000-\uf8ff"
    "\U000e0000-\U000e01ef\U000f0000-\U0010ffff"
)
# Arrows, technical, box drawing, shapes, dingbats and the emoji planes. The circled digits
# (U+2460..24FF, U+2776..2793) are numbers and stay.
_EMOJI = (
    "\u203c\u2049\u2139\u2190-\u21ff\u2300-\u245f\u24c2\u2500-\u2775\u2794-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff"
)
_MARKUP = r"\\`*_~\[\]{}|<>#@&+=^【"
_SIGNS = "→⇒⟶➜×÷±≈≠≤≥√∞©®™№§¶†‡•−"

PICTURE_PARTS = "\u200d\ufe0e\ufe0f"
"""What joins or varies emoji and has no look of its own."""

PICTURE = re.compile(f"[{_EMOJI}{PICTURE_PARTS}\u20e3\U000e0020-\U000e007f]")
"""An emoji or a part of one. The digit of a keycap is not: "press 1️⃣" must say the number."""

SPECIAL = re.compile(
    f"[{_MARKUP}{_SIGNS}{LINE_BREAKS}\t{_INVISIBLE}{_EMOJI}]"
    r"|  "  # one space is prose, two are not
    r"|-(?=[->]|\Z)"  # an arrow or a rule may follow
    r"|(?<!\S)!(?=\[|\Z)"  # an image; after a word it is only a loud full stop
    # An address. A word that may yet become one is held only while it is exactly that much of it.
    r"|(?<![A-Za-z0-9])(?i:https?://|www\.|(?:h|ht|htt|https?|https?:|https?:/|w|ww|www)\Z)"
)
"""The next place where a rule must look. Whatever lies before it is spoken unchanged.

The look-behinds see one character of what went before, so a search has to start inside the text
(`Reader` keeps that character); a search without it errs on the side of finding something.
"""


def is_cjk(char: str) -> bool:
    """Whether this is from a script that writes words without spaces between them."""
    return (
        "\u2e80" <= char <= "\u9fff"
        or "\uac00" <= char <= "\ud7af"
        or "\uf900" <= char <= "\ufaff"
        or "\U00020000" <= char <= "\U0003ffff"
        or "\u0e00" <= char <= "\u0e7f"  # Thai
    )


def is_wordlike(char: str) -> bool:
    """Whether this is part of a word: a letter, a digit, an accent or an underscore."""
    return char.isalnum() or char == "_" or bool(char and unicodedata.combining(char))
