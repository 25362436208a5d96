"""What calls from pages share: a voice and threads to listen in, as far as they are installed."""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bridge.local.browser.ears import Ears
from bridge.local.browser.espeak import DEFAULT, Espeak
from bridge.local.browser.voice import Synthesise

_THREADS: Final = 2
"""That listen: a call keeps one busy for a twentieth of its time."""


class Studio:
    """The voice and the ears of one process; `close` it."""

    def __init__(self) -> None:
        self._espeak = Espeak() if Espeak.is_there() else None
        self._threads = ThreadPoolExecutor(_THREADS)

    def voice(self, language: str | None = None) -> Synthesise | None:
        """A voice for a language; None without the extra `voice`."""
        if self._espeak is None:
            return None
        return functools.partial(self._espeak.speech, language=language or DEFAULT)

    def ears(self, phrases: Sequence[str], language: str | None = None) -> Ears | None:
        """Ears for one call; None without the extra, for another language, or without phrases."""
        english = language is None or language.lower().startswith("en")
        return Ears(phrases, self._threads) if phrases and english and Ears.are_there() else None

    def close(self) -> None:
        """End its threads."""
        self._threads.shutdown(cancel_futures=True)
        if self._espeak is not None:
            self._espeak.close()
