"""Answers one request as its script says, on Ollama's wire."""

from typing import Any

import orjson

from tests.fake_openai.chunks import Step
from tests.fake_openai.play import Play
from tests.fake_openai.server import Fake

TOKENS_IN, TOKENS_OUT = 12, 34

_REASONS = {"stop": "stop", "tool_calls": "stop", "length": "length"}


class LinePlay(Play):
    """One streamed answer while it is given."""

    def _framed(self, payload: Any) -> bytes:
        return (payload.encode() if isinstance(payload, str) else orjson.dumps(payload)) + b"\n"

    async def _line(self, message: dict[str, Any], **keys: Any) -> None:
        head = {"model": self._record.body["model"], "created_at": "2026-11-01T00:00:00Z"}
        said = {"role": "assistant", "content": "", **message}
        await self._send({**head, "message": said, "done": False, **keys})

    async def _delta(self, delta: dict[str, Any], **_: Any) -> None:
        await self._line(delta)

    async def _do_reasoning(self, step: Step) -> None:
        await self._line({"thinking": step["reasoning"]})

    async def _do_tool_call(self, step: Step) -> None:
        call = step["tool_call"]
        arguments = orjson.loads(call.get("arguments", "{}"))
        await self._line({"tool_calls": [{"function": {**call, "arguments": arguments}}]})

    async def _do_finish(self, step: Step) -> None:
        counts = {"prompt_eval_count": TOKENS_IN, "eval_count": TOKENS_OUT, "total_duration": 1}
        await self._line({}, done=True, done_reason=_REASONS[step["finish"]], **counts)

    async def _do_usage(self, step: Step) -> None:
        """Nothing: it came with the reason."""

    async def _do_done(self, step: Step) -> None:
        """Nothing: the line that is done was the last."""


class FakeChat(Fake):
    """The server of Ollama's chat API."""

    path = "/api/chat"
    play = LinePlay
