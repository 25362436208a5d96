"""The agent's voice in a call: how long what it says takes, and how it sounds.

Without a synthesiser it is silence that takes as long as the words would, so that a page gets sound
and times all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from bridge.errors import BridgeError
from bridge.local.playback import Sound, at_rate

RATE: Final = 16_000
"""Samples a second, in both directions (protocol.md §2)."""
SAMPLE: Final = 2
"""Bytes of a sample: PCM16, little-endian."""

_TIMED: Final = at_rate(2.5)
"""The rate of `speaking.Habits`."""
_log = structlog.get_logger(__name__)


class VoiceFailed(BridgeError):
    """The synthesiser could not speak a text."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A text as it is spoken."""

    pcm: bytes
    ends: Sequence[float]
    """Seconds from its beginning to the end of each of its words; the last is the end of it all."""


Synthesise = Callable[[str], Awaitable[Speech]]
"""Speaks a text; raises VoiceFailed."""


class Mouth:
    """One call's voice, as `playback.Voice`: it knows how long a text takes once that is made."""

    def __init__(self, synthesise: Synthesise | None, made: Callable[[], None]) -> None:
        """`made` is called when something is known that was not before."""
        self._synthesise = synthesise
        self._told = made
        self._made: dict[str, Speech] = {}
        self._making: dict[str, asyncio.Task[None]] = {}

    def __call__(self, text: str) -> Sequence[float] | None:
        """Seconds to the end of each word, if that is known by now."""
        if self._synthesise is None or not text.strip():
            return _TIMED(text)
        if text in self._made:
            return self._made[text].ends
        if text not in self._making:
            making = asyncio.create_task(self._make(text, self._synthesise), name="synthesise")
            self._making[text] = making
        return None

    def pcm(self, sound: Sound) -> bytes:
        """How something sounds that is being played."""
        if (speech := self._made.get(sound.text)) and speech.pcm:
            return speech.pcm
        return bytes(round(sound.seconds * RATE) * SAMPLE)

    def forget(self) -> None:
        """A new answer begins: what was made for the one before is not needed any more."""
        self._made.clear()

    async def close(self) -> None:
        """Stop making what nobody will hear."""
        tasks = set(self._making.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _make(self, text: str, synthesise: Synthesise) -> None:
        try:
            speech = await synthesise(text)
        except VoiceFailed as error:
            _log.warning("a text was not spoken", reason=str(error))
            speech = Speech(b"", _TIMED(text))
        finally:
            del self._making[text]
        self._made[text] = speech
        self._told()
