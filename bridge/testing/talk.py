"""One call in a test: what the caller says, and what came of it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from bridge.local.answer import Action, Answer
from bridge.local.conversation import Conversation
from bridge.protocol import Utterance
from bridge.testing.reply import Reply
from bridge.testing.story import story
from bridge.testing.witness import ToolUsed, Witness

_SETTLED: Final = 0.05
"""Seconds after an answer in which what follows it has come: the end of the call."""


class Talk:
    """One call. Get it from the fixture `call`."""

    def __init__(
        self, conversation: Conversation, witness: Witness, check: Callable[["Talk"], None]
    ) -> None:
        """`check` is called whenever an answer was heard; it may raise."""
        self.conversation = conversation
        """The caller, for what is not here: lost sockets, requests that come twice."""
        self._witness = witness
        self._check = check
        self._replies: dict[int, Reply] = {}
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self._ended: float | None = None

    # ── what the caller does ─────────────────────────────────────────────────────────────────────

    async def ask(self, text: str) -> Reply:
        """Say something, and hear the whole answer.

        Raises:
            LineLost: the connection is gone.
        """
        return await self.hear(await self.say(text))

    async def say(self, text: str) -> Reply:
        """Say something, over the agent if it speaks; return when Millis asks for the answer.

        Raises:
            LineLost: the connection is gone.
        """
        return self._of(await self.conversation.say(text), text)

    async def barge_in(
        self, text: str, *, after_words: int | None = None, after_seconds: float | None = None
    ) -> Reply:
        """Speak over the newest answer once so much of it was heard, and hear the answer to that.

        Raises:
            LineLost: the connection is gone.
        """
        answer = await self.conversation.barge_in(text, words=after_words, seconds=after_seconds)
        return await self.hear(self._of(answer, text))

    async def cough(self, seconds: float = 0.4) -> None:
        """Make a noise that is no words: the agent stops, and goes on."""
        await self.conversation.cough(seconds)

    async def silence(self, seconds: float) -> str:
        """Say nothing for so long; return what the agent says into the silence."""
        before = len(self._unasked)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.conversation.caller.over.wait()
        return " ".join(words.strip() for _, words in self._unasked[before:])

    async def hear(self, reply: Reply) -> Reply:
        """Listen until an answer has been played, or was cut off.

        Raises:
            LineLost: the connection is gone.
        """
        await self.conversation.hear(reply.answer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED):
                await self.conversation.caller.over.wait()
        self._check(self)
        if reply.answer.lost:
            await reply.answer.complete()
        return reply

    # ── what came of it ──────────────────────────────────────────────────────────────────────────

    @property
    def greeting(self) -> Reply:
        """The first words."""
        return self._of(self.conversation.caller.greeting, "")

    @property
    def replies(self) -> list[Reply]:
        """Every answer, the greeting first."""
        answers = self.conversation.caller.answers
        return [self._of(answer, "") for answer in answers.values()]

    @property
    def tools(self) -> Sequence[ToolUsed]:
        """Every tool that was used in the call, in order."""
        return self._witness.tools

    @property
    def action(self) -> Action | None:
        """What the agent did to the line: end the call, or hand it over."""
        return self.conversation.caller.action

    @property
    def transcript(self) -> list[Utterance]:
        """The conversation as Millis has it: what was cut is missing."""
        return self.conversation.caller.transcript

    @property
    def now(self) -> float:
        """Seconds since the call began; once it is over, how long it took."""
        return (self._time() if self._ended is None else self._ended) - self._began

    def story(self) -> str:
        """Tell the call as it went, line by line."""
        return story(self.replies, self.conversation.caller.habits, self._unasked)

    def hang_up(self) -> None:
        """From now on nothing more is heard. The fixture does this."""
        self._ended = self._time()

    @property
    def _unasked(self) -> list[tuple[float, str]]:
        """What the agent has said into silences, and when."""
        said = self.conversation.caller.unasked
        return [(answer.asked_at - self._began, answer.text) for answer in said]

    def _of(self, answer: Answer, asked: str) -> Reply:
        known = self._replies.get(answer.stream_id)
        if known is None:
            known = self._replies[answer.stream_id] = Reply(
                answer,
                asked,
                answer.asked_at - self._began,
                self._witness,
                lambda: self._began + self.now,
            )
        return known
