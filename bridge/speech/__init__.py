"""Text in, speakable text out, streaming. Pure: no input, no output, no clock."""

from bridge.speech.lexicon import Lexicon
from bridge.speech.pacing import Pacer, flushed
from bridge.speech.reader import Kind
from bridge.speech.speakable import Speakable, speak
from bridge.speech.text import Text

__all__ = ["Kind", "Lexicon", "Pacer", "Speakable", "Text", "flushed", "speak"]
