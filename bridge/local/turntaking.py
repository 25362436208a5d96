"""What Millis does when it hears the caller's voice: stop, interrupt, tell, ask.

Documented (protocol.md §1, and §2 for `pause`, `clear` and `unpause`): Millis detects interruptions
and ends of turns, and tells of both.

Assumed, because nobody outside Millis knows: it stops playing as soon as there is a voice, and
holds that for an interruption once words are recognised; then the `interrupt` comes before the
first partial transcript. A voice before anything of the answer was heard interrupts it, too.
"""

import asyncio

from bridge.local.answer import Answer
from bridge.local.caller import Caller


class TurnTaking:
    """Who has the floor in one call. What it is told comes from a script, or from a recogniser."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._held: Answer | None = None
        """What a voice is heard over, as long as that may have been nothing."""
        self._now = asyncio.get_running_loop().time

    def voice(self) -> None:
        """There is a voice: the playback stands still."""
        answer = self._caller.newest if self._caller.answers else None
        if answer is not None and answer.playing(self._now()):
            answer.hold(self._now())
            self._held = answer

    def nothing(self) -> None:
        """It was nothing: the playback goes on."""
        held, self._held = self._held, None
        if held is not None:
            held.go_on(self._now())

    async def words(self, transcript: str, *, is_final: bool = False) -> None:
        """So much of the caller's line is recognised: over an answer, it is an interruption.

        Raises:
            LineLost: the connection is gone.
        """
        held, self._held = self._held, None
        if held is not None:
            await self._caller.interrupt()
        about = {"session_id": self._caller.session_id}
        data = {**about, "transcript": transcript, "is_final": is_final}
        await self._caller.tell({"type": "partial_transcript", "data": data})

    async def stop(self) -> None:
        """The caller wants silence, and says nothing.

        Raises:
            LineLost: the connection is gone.
        """
        self.voice()
        held, self._held = self._held, None
        if held is not None:
            await self._caller.interrupt()

    async def over(self, text: str) -> Answer:
        """The caller has said it all: ask for the answer.

        Raises:
            LineLost: the connection is gone.
        """
        return await self._caller.request(text)
