"""The caller's side of Millis's custom-LLM socket: what Millis does in a call, without audio."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Self

import aiohttp
import orjson
from aiohttp import WSMsgType
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from bridge.local.answer import Action, Answer, LineLost, Piece, Stray
from bridge.local.dialing import connected
from bridge.protocol import Outbound, StreamResponse, StreamResponseData, Utterance

_OUTBOUND: TypeAdapter[Outbound] = TypeAdapter(
    Annotated[Outbound, Field(discriminator="type")],
    config=ConfigDict(hide_input_in_errors=True),
)


class Caller:
    """One call, seen from Millis. Get one from `dial`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session_id: str) -> None:
        self.session_id = session_id
        self.answers: dict[int, Answer] = {}
        """Every stream of the call, by its id, the oldest first."""
        self.strays: list[Stray] = []
        """Frames that were not to be heard. Those of kind `in_flight` are nobody's fault."""
        self.action: Action | None = None
        """What the bridge did to the line: end the call, or hand it over."""
        self.over = asyncio.Event()
        """Set when the bridge has ended the call, or the connection is gone."""
        self._socket = socket
        self._said: list[str | Answer] = []
        self._lost: LineLost | None = None
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
        **about: Any,
    ) -> AsyncIterator[Self]:
        """Call a bridge and hang up when the block is left.

        `about` is what Millis tells of the call: `agent_id`, `call_sid`, `metadata`, `voip` (as
        `{"from": …, "to": …}`). `token` goes into a Bearer header. No `stream_id`: no greeting.

        Raises:
            CallRefused: there is no bridge, or it does not take the call.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as session:
            socket = await connected(session, url, headers)
            caller = cls(socket, session_id or uuid.uuid4().hex)
            listening = asyncio.create_task(caller._listen(), name="caller")
            try:
                await caller._start(stream_id, about)
                yield caller
            finally:
                listening.cancel()
                await asyncio.wait({listening})
                await socket.close()

    @property
    def greeting(self) -> Answer:
        """The answer to `start_call`."""
        return next(iter(self.answers.values()))

    @property
    def transcript(self) -> list[Utterance]:
        """The conversation as Millis would send it now; lines without words are left out."""
        lines = [
            Utterance("user", said)
            if isinstance(said, str)
            else Utterance("assistant", said.text.strip())
            for said in self._said
        ]
        return [line for line in lines if line.content.strip()]

    @property
    def violations(self) -> list[Stray]:
        """Frames that break the protocol."""
        return [stray for stray in self.strays if stray.kind != "in_flight"]

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
        stream_id = self._newest.stream_id + 1
        data = {"stream_id": stream_id, "transcript": lines}
        await self.tell({"type": "stream_request", "data": data})
        return self.answers[stream_id]

    async def interrupt(self) -> None:
        """Speak over the newest answer: what comes of it from now on is not heard.

        Raises:
            LineLost: the connection is gone.
        """
        await self.tell({"type": "interrupt", "stream_id": self._newest.stream_id})

    async def played(self, answer: Answer) -> None:
        """Tell the bridge that all of an answer has been heard.

        Raises:
            LineLost: the connection is gone.
        """
        data = {"session_id": self.session_id, "stream_id": answer.stream_id}
        await self._send({"type": "playback_finished", "data": data})

    async def tell(self, message: Mapping[str, Any], *, answered: bool = True) -> None:
        """Send a message of Millis's as it is. `answered`: whether a request is to be answered.

        Raises:
            LineLost: the connection is gone.
        """
        before = self._newest if self.answers else None
        stream_id = _stream_of(message)
        if message["type"] == "stream_request" and answered and stream_id is not None:
            if before is not None and not before.over:
                before.silence("superseded")
            self._expect(stream_id)
        elif message["type"] == "interrupt" and before and stream_id in (None, before.stream_id):
            before.silence("interrupted")
        await self._send(message)
        if before is not None:
            await self._fence(before)

    @property
    def close_code(self) -> int | None:
        """Why the bridge closed the socket; None while it is open."""
        return self._lost.close_code if self._lost else None

    # ── to the bridge ────────────────────────────────────────────────────────────────────────────

    @property
    def _newest(self) -> Answer:
        return next(reversed(self.answers.values()))

    def _expect(self, stream_id: int) -> Answer:
        answer = self.answers[stream_id] = Answer(stream_id, self._now())
        self._said.append(answer)
        return answer

    async def _start(self, stream_id: int | None, about: Mapping[str, Any]) -> None:
        if stream_id is not None:
            self._expect(stream_id)
        empty = {"agent_id": "", "call_sid": None, "metadata": None, "voip": None}
        data = {"stream_id": stream_id, **empty, "session_id": self.session_id, **about}
        await self._send({"type": "start_call", "data": data})

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            await self._socket.send_str(orjson.dumps(message).decode())
        except ConnectionError as error:
            raise LineLost(self._socket.close_code) from error

    async def _fence(self, answer: Answer) -> None:
        """Learn when the bridge has read all so far: it answers a ping in its turn."""
        with contextlib.suppress(ConnectionError):  # whoever waits for words learns of it
            await self._socket.ping(str(answer.stream_id).encode())

    # ── from the bridge ──────────────────────────────────────────────────────────────────────────

    async def _listen(self) -> None:
        try:
            async for frame in self._socket:
                match frame.type:
                    case WSMsgType.TEXT:
                        self._hear(frame.data)
                    case WSMsgType.PING:
                        await self._socket.pong(frame.data)
                    case WSMsgType.PONG:
                        if answer := self._answer_of(bytes(frame.data)):
                            answer.silence_read = answer.silenced is not None
                    case _:
                        self._stray("unreadable", detail="a binary frame")
        except ConnectionError:
            pass  # as if closed
        finally:
            self._lost = LineLost(self._socket.close_code)
            for answer in self.answers.values():
                answer.lose(self._lost)
            self.over.set()

    def _answer_of(self, pong: bytes) -> Answer | None:
        return self.answers.get(int(pong)) if pong.isdigit() else None

    def _hear(self, frame: str) -> None:
        try:
            message = _OUTBOUND.validate_json(frame)
        except ValidationError as error:
            self._stray("unreadable", detail=str(error.errors(include_input=False)[0]["msg"]))
            return
        stream_id = int(message.data.stream_id)
        answer = self.answers.get(stream_id)
        if answer is None:
            self._stray("unknown_stream", stream_id, message.type)
        elif isinstance(message, StreamResponse):
            self._hear_words(answer, message.data)
        else:
            self.action = message
            answer.act(message)
            self.over.set()

    def _hear_words(self, answer: Answer, data: StreamResponseData) -> None:
        if answer.ended:
            self._stray("after_end", answer.stream_id, data.content)
        elif answer.silenced is None:
            piece = Piece(data.content, self._now(), bool(data.flush), data.pause)
            answer.hear(piece, end=data.end_of_stream)
        else:
            late = "after_interrupt" if answer.silenced == "interrupted" else "after_newer_request"
            kind = late if answer.silence_read else "in_flight"
            self._stray(kind, answer.stream_id, data.content)

    def _stray(self, kind: Any, stream_id: int | None = None, detail: str = "") -> None:
        self.strays.append(Stray(kind, self._now(), stream_id, detail))


def _stream_of(message: Mapping[str, Any]) -> int | None:
    """The stream that a message of Millis's is about."""
    stream_id = message.get("stream_id", message.get("data", {}).get("stream_id"))
    return None if stream_id is None else int(stream_id)
