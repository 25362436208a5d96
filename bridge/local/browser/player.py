"""One answer on its way to a page: its words as they come, its sound a little before it is heard.

Documented (protocol.md §2): the page plays what it gets as it comes; `pause`, `unpause` and
`clear` hold it, let it go on, and drop what is queued; `clear` does not undo `pause`, so `unpause`
goes before it. It never says what it has played: that is known from the length of the sound.

Assumed, because nobody outside Millis knows: `onresponsetext` has all of the answer so far, and is
final once, at its end; pages that people wrote read it so.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from bridge.local.answer import Answer
from bridge.local.browser.page import Page
from bridge.local.browser.voice import RATE, SAMPLE
from bridge.local.playback import Playback, Sound

AHEAD: Final = 0.5
"""Seconds that sound is sent before it is to be heard. Less than 0.2 s stutters when a page is busy
(protocol.md §2); more only fills the page's memory."""
CHUNK: Final = round(0.1 * RATE) * SAMPLE
"""Bytes of sound in a message: a tenth of a second."""


class Player:
    """Follows the playback of one answer, and has the page do the same."""

    def __init__(
        self, answer: Answer, playback: Playback, page: Page, pcm: Callable[[Sound], bytes]
    ) -> None:
        self._answer = answer
        self._playback = playback
        self._page = page
        self._pcm = pcm
        self._taken = 0
        """How many of the playback's sounds are sent, or wait in `_unsent`."""
        self._unsent = b""
        self._shown: tuple[str, bool] = ("", False)
        self._paused = False
        self._settled = False
        self._now = asyncio.get_running_loop().time

    async def play(self) -> None:
        """Play the answer, to its end or until it is cut."""
        while not self._over():
            self._show()
            self._pause_or_go_on()
            due = self._due()
            if due is None or due > self._now():
                await self._answer.change(until=self._end() if due is None else due)
            else:
                self._page.play(self._unsent[:CHUNK])
                self._unsent = self._unsent[CHUNK:]
        self.settle()

    def speak_on(self) -> None:
        """Go on with what waited for the voice."""
        self._answer.speak_on(self._now())

    def settle(self) -> None:
        """Bring the page to rest, and say what was heard; only the first time does anything."""
        if self._settled:
            return
        self._settled = True
        self._show()
        cut = self._playback.is_cut
        if cut:
            self._page.tell("unpause")
            self._page.tell("clear")
        heard = self._playback.played(self._now())
        if self._playback.text:
            self._page.tell("onheard", heard, stream_id=self._answer.stream_id, cut=cut)

    def _over(self) -> bool:
        """Whether nothing more of it will be heard."""
        playback = self._playback
        if playback.is_cut or self._settled:
            return True
        whole = self._answer.over and not playback.waits and not playback.held
        return whole and playback.ends_at <= self._now()

    def _end(self) -> float | None:
        """When it will be over, if nothing happens."""
        known = self._answer.over and not self._playback.waits and not self._playback.held
        return self._playback.ends_at if known else None

    def _due(self) -> float | None:
        """When the next of its sound is to be sent; None if there is none, or it stands still."""
        sounds = self._playback.sounds
        while self._taken < len(sounds):
            self._unsent += self._pcm(sounds[self._taken])
            self._taken += 1
        if not self._unsent or self._playback.held:
            return None
        return self._playback.ends_at - len(self._unsent) / (RATE * SAMPLE) - AHEAD

    def _pause_or_go_on(self) -> None:
        if self._paused != self._playback.held:
            self._paused = self._playback.held
            self._page.tell("pause" if self._paused else "unpause")

    def _show(self) -> None:
        shown = self._answer.text, self._answer.over
        if shown[0] and shown != self._shown:
            self._shown = shown
            text, final = shown
            stream_id = self._answer.stream_id
            self._page.tell("onresponsetext", text, is_final=final, stream_id=stream_id)
