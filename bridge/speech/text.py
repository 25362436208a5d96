"""What speech hands to a call."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of speech; it becomes one frame on the wire."""

    content: str
    """Empty only when the piece exists for its pause or its flush."""
    flush: bool = False
    """Speak now, do not wait for a full sentence."""
    pause: int | None = None
    """Milliseconds to wait after this piece."""
