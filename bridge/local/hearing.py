"""What comes from the bridge in one call: sorted into answers, and frames nobody should hear.

Assumed (protocol.md §1 leaves it open): words that come on a stream after its end are heard, as one
more answer on that stream. There is no other way for a bridge to break a caller's silence.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from bridge.local.answer import Action, Answer, LineLost, Piece, Stray
from bridge.local.line import Line
from bridge.protocol import Outbound, StreamResponse, StreamResponseData

_OUTBOUND: TypeAdapter[Outbound] = TypeAdapter(
    Annotated[Outbound, Field(discriminator="type")],
    config=ConfigDict(hide_input_in_errors=True),
)


class Ear:
    """Hears one call, over all its sockets."""

    def __init__(self, begun: Callable[[int], Answer]) -> None:
        """`begun`: words come on a stream that had its end."""
        self.answers: dict[int, Answer] = {}
        """Every stream of the call, by its id, the oldest first."""
        self.unasked: list[Answer] = []
        """What was said into silences."""
        self._begun = begun
        self.strays: list[Stray] = []
        """Frames that were not to be heard. Those of kind `in_flight` are nobody's fault."""
        self.action: Action | None = None
        """What the bridge did to the line: end the call, or hand it over."""
        self.over = asyncio.Event()
        """Set when the bridge has ended the call, or the connection is gone."""
        self._now = asyncio.get_running_loop().time

    async def listen(self, line: Line) -> None:
        """Take in what comes on a line, to its end."""
        try:
            async for frame in line.frames():
                match frame:
                    case str():
                        self._hear(frame)
                    case int():
                        for answer in self._on(frame):
                            answer.silence_read = answer.silenced is not None
                    case None:
                        self._stray("unreadable", detail="a binary frame")
        finally:
            for answer in (*self.answers.values(), *self.unasked):
                answer.lose(line.lost or LineLost())
            self.over.set()

    def _hear(self, frame: str) -> None:
        try:
            message = _OUTBOUND.validate_json(frame)
        except ValidationError as error:
            self._stray("unreadable", detail=str(error.errors(include_input=False)[0]["msg"]))
            return
        stream_id = int(message.data.stream_id)
        heard = self._on(stream_id)
        answer = heard[-1] if heard else None
        if answer is None:
            self._stray("unknown_stream", stream_id, message.type)
        elif isinstance(message, StreamResponse):
            self._hear_words(answer, message.data)
        else:
            self.action = message
            answer.act(message, self._now())
            self.over.set()

    def _hear_words(self, answer: Answer, data: StreamResponseData) -> None:
        if answer.ended and not answer.silenced and not answer.action and data.content.strip():
            answer = self._begun(answer.stream_id)
            self.unasked.append(answer)
        if answer.ended:
            self._stray("after_end", answer.stream_id, data.content)
        elif answer.silenced is None:
            piece = Piece(data.content, self._now(), bool(data.flush), data.pause)
            answer.hear(piece, end=data.end_of_stream)
        else:
            late = "after_interrupt" if answer.silenced == "interrupted" else "after_newer_request"
            kind = late if answer.silence_read else "in_flight"
            self._stray(kind, answer.stream_id, data.content)

    def _on(self, stream_id: int) -> list[Answer]:
        """What was heard on a stream: the answer, and what was said into the silence after it."""
        asked = self.answers.get(stream_id)
        after = [answer for answer in self.unasked if answer.stream_id == stream_id]
        return [] if asked is None else [asked, *after]

    def _stray(self, kind: Any, stream_id: int | None = None, detail: str = "") -> None:
        self.strays.append(Stray(kind, self._now(), stream_id, detail))
