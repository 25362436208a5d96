"""The caller's side of Millis's custom-LLM socket: what Millis says in a call, without audio.

Assumed (protocol.md §1 leaves it open): a call that goes on after its socket was lost has a new
socket, and a new `start_call` with the same session; stream ids grow on there, also that of the
request that was not answered; Millis may send a request twice, and then it is the same message;
whatever is still to be played when the bridge ends or transfers the call is not played any more.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

from bridge.local.answer import Action, Answer, Piece, Stray
from bridge.local.hearing import Ear
from bridge.local.line import Line
from bridge.local.playback import Playback
from bridge.local.speaking import READING, Habits
from bridge.protocol import Utterance


class Caller:
    """One call, seen from Millis, message by message. Get one from `dial`."""

    def __init__(
        self,
        dial: Callable[[], Any],
        about: Mapping[str, Any],
        habits: Habits,
        begun: "Callable[[Caller, Answer], None]",
    ) -> None:
        self.session_id: str = about["session_id"]
        self.line: Line
        """The socket of the call now."""
        self.habits = habits
        self._ear = Ear(self._begin)
        self.answers, self.strays, self.over = self._ear.answers, self._ear.strays, self._ear.over
        self.unasked = self._ear.unasked
        """What the bridge has said into silences, on the streams of the answers before them."""
        self._dial = dial
        self._about = about
        self._begun = begun
        self._listening: asyncio.Task[None]
        self._said: list[str | Answer] = []
        self._asked: tuple[list[dict[str, str]], Line, int] | None = None
        """The newest request's transcript, where it was sent, and under which id."""
        self._now = asyncio.get_running_loop().time

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(
        cls,
        url: str,
        *,
        token: str = "",
        session_id: str | None = None,
        stream_id: int | None = 1,
        habits: Habits = READING,
        window: int | None = None,
        begun: "Callable[[Caller, Answer], None]" = lambda *_: None,
        **about: Any,
    ) -> AsyncIterator[Self]:
        """Call a bridge and hang up when the block is left.

        `about` is what Millis tells of the call: `agent_id`, `call_sid`, `metadata`, `voip` (as
        `{"from": …, "to": …}`). `token` goes into a Bearer header. No `stream_id`: no greeting.
        `window`: bytes that are taken in while nobody reads. `begun` is told of each answer.

        Raises:
            CallRefused: there is no bridge, or it does not take the call.
        """
        empty = {"agent_id": "", "call_sid": None, "metadata": None, "voip": None}
        about = {**empty, "session_id": session_id or uuid.uuid4().hex, **about}
        caller = cls(lambda: Line.dial(url, token, window), about, habits, begun)
        await caller._connect()
        try:
            await caller._start(stream_id)
            yield caller
        finally:
            await caller._disconnect()

    @property
    def action(self) -> Action | None:
        """What the bridge did to the line: end the call, or hand it over."""
        return self._ear.action

    @property
    def greeting(self) -> Answer:
        """The answer to `start_call`."""
        return next(iter(self.answers.values()))

    @property
    def newest(self) -> Answer:
        """What the bridge said, or was asked to say, last."""
        return next(said for said in reversed(self._said) if isinstance(said, Answer))

    @property
    def transcript(self) -> list[Utterance]:
        """The conversation as Millis would send it now; lines without words are left out."""
        lines: list[Utterance] = []
        for said in self._said:
            if isinstance(said, str):
                lines.append(Utterance("user", said))
            elif said in self.unasked and lines and lines[-1].role == "assistant":
                before = lines.pop()  # on the same stream: one line
                lines.append(Utterance("assistant", f"{before.content} {self._kept(said).strip()}"))
            else:
                lines.append(Utterance("assistant", self._kept(said).strip()))
        return [line for line in lines if line.content.strip()]

    @property
    def violations(self) -> list[Stray]:
        """Frames that break the protocol."""
        return [stray for stray in self.strays if stray.kind != "in_flight"]

    @property
    def close_code(self) -> int | None:
        """Why the bridge closed the socket; None while it is open."""
        return self.line.lost.close_code if self.line.lost else None

    # ── to the bridge ────────────────────────────────────────────────────────────────────────────

    async def ask(self, text: str) -> Answer:
        """Say something, and wait for the whole answer.

        Raises:
            LineLost: the connection is gone.
        """
        return await (await self.request(text)).complete()

    async def request(self, text: str) -> Answer:
        """Say something; iterate over what is returned to hear the answer as it comes.

        Raises:
            LineLost: the connection is gone.
        """
        self._said.append(text)
        lines = [{"role": line.role, "content": line.content} for line in self.transcript]
        return await self._request(lines, self._next_id)

    async def ask_again(self) -> Answer:
        """Send the newest request once more: as a retry of Millis's, or on a new socket.

        On the same socket it is the same message, and has the answer that it has.

        Raises:
            LineLost: the connection is gone.
        """
        assert self._asked is not None, "nothing was asked"  # noqa: S101 - a mistake of the test's
        lines, line, stream_id = self._asked
        if line is not self.line:
            return await self._request(lines, self._next_id)
        return await self._request(lines, stream_id, answered=False)

    def announce(self, text: str) -> Answer:
        """Have Millis itself say something in the agent's name; the bridge reads it later."""
        self._expect(self._next_id)
        self.newest.hear(Piece(text, self._now()), end=True)
        return self.newest

    async def interrupt(self) -> None:
        """Speak over the newest answer: what comes of it from now on is not heard.

        Raises:
            LineLost: the connection is gone.
        """
        await self.tell({"type": "interrupt", "stream_id": self.newest.stream_id})

    async def played(self, answer: Answer) -> None:
        """Tell the bridge that all of an answer has been heard.

        Raises:
            LineLost: the connection is gone.
        """
        data = {"session_id": self.session_id, "stream_id": answer.stream_id}
        await self.line.send({"type": "playback_finished", "data": data})

    async def tell(self, message: Mapping[str, Any], *, answered: bool = True) -> None:
        """Send a message of Millis's as it is. `answered`: whether a request is to be answered.

        Raises:
            LineLost: the connection is gone.
        """
        before = self.newest if self.answers else None
        stream_id = _stream_of(message)
        if message["type"] == "stream_request" and answered and stream_id is not None:
            if before is not None:
                before.overtake(self._now())
            self._expect(stream_id)
        elif message["type"] == "interrupt" and before and stream_id in (None, before.stream_id):
            before.silence("interrupted", self._now())
        await self.line.send(message)
        if before is not None and before.silenced:  # a mark from before that would tell nothing
            await self.line.mark(before.stream_id)

    async def dial_again(self) -> None:
        """Go on with the call on a new socket, as Millis presumably does once it has lost one.

        Raises:
            CallRefused: the bridge does not take the call.
        """
        await self._disconnect()
        self.over.clear()
        await self._connect()
        await self._start(self._next_id)

    @property
    def _next_id(self) -> int:
        return self.newest.stream_id + 1 if self.answers else 1

    async def _request(
        self, lines: list[dict[str, str]], stream_id: int, *, answered: bool = True
    ) -> Answer:
        self._asked = lines, self.line, stream_id
        data = {"stream_id": stream_id, "transcript": lines}
        await self.tell({"type": "stream_request", "data": data}, answered=answered)
        return self.answers[stream_id]

    def _kept(self, answer: Answer) -> str:
        """What the transcript has of an answer."""
        if answer.silenced == "interrupted" and self.habits.interrupted != "cut":
            return answer.text if self.habits.interrupted == "whole" else ""
        return answer.heard(self._now())

    def _expect(self, stream_id: int) -> None:
        self.answers.pop(stream_id, None)  # the newest is the last
        self.answers[stream_id] = self._begin(stream_id)

    def _begin(self, stream_id: int) -> Answer:
        voice = self.habits.voice
        answer = Answer(stream_id, self._now(), None if voice is None else Playback(voice))
        self._said.append(answer)
        self._begun(self, answer)
        return answer

    async def _connect(self) -> None:
        self.line = await self._dial()
        self._listening = asyncio.create_task(self._ear.listen(self.line), name="caller")

    async def _disconnect(self) -> None:
        self._listening.cancel()
        await asyncio.wait({self._listening})
        await self.line.hang_up()

    async def _start(self, stream_id: int | None) -> None:
        if stream_id is not None:
            self._expect(stream_id)
        data = {"stream_id": stream_id, **self._about}
        await self.line.send({"type": "start_call", "data": data})


def _stream_of(message: Mapping[str, Any]) -> int | None:
    """The stream that a message of Millis's is about."""
    stream_id = message.get("stream_id", message.get("data", {}).get("stream_id"))
    return None if stream_id is None else int(stream_id)
