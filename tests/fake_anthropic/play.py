"""Answers one request as its script says, on Anthropic's wire."""

from typing import Any

import orjson

from tests.fake_anthropic.rules import broken_rule
from tests.fake_openai.chunks import Step, pieces
from tests.fake_openai.play import Play
from tests.fake_openai.records import Record
from tests.fake_openai.server import Fake

TOKENS_IN, TOKENS_OUT = 12, 34

_STOP = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_STOP["content_filter"] = "refusal"
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error_of(kind: str, message: str = "scripted") -> dict[str, Any]:
    """Make what Anthropic says of a failure, as a body or as an event in mid-stream."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


class MessagePlay(Play):
    """One streamed message while it is given: blocks are opened and closed as the steps need."""

    _block = -1
    """Index of the newest content block."""
    _kind = ""
    """Type of the content block that is open."""

    def _framed(self, payload: Any) -> bytes:
        if isinstance(payload, str):
            return f"event: content_block_delta\ndata: {payload}\n\n".encode()
        return f"event: {payload['type']}\ndata: ".encode() + orjson.dumps(payload) + b"\n\n"

    async def _begin(self) -> None:
        if self._introduced:
            return
        self._introduced = True
        message: dict[str, Any] = {
            "id": f"msg_{self._record.number}",
            "type": "message",
            "role": "assistant",
            "model": str(self._record.body.get("model")),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": TOKENS_IN, "output_tokens": 1},
        }
        await self._send({"type": "message_start", "message": message})

    async def _open(self, block: dict[str, Any]) -> None:
        await self._begin()
        await self._close_block()
        self._block, self._kind = self._block + 1, block["type"]
        start = {"type": "content_block_start", "index": self._block, "content_block": block}
        await self._send(start)

    async def _close_block(self) -> None:
        if self._kind:
            self._kind = ""
            await self._send({"type": "content_block_stop", "index": self._block})

    async def _piece(self, **delta: Any) -> None:
        await self._send({"type": "content_block_delta", "index": self._block, "delta": delta})

    async def _delta(self, delta: dict[str, Any], **_: Any) -> None:
        if self._kind != "text":
            await self._open({"type": "text", "text": ""})
        await self._piece(type="text_delta", text=delta["content"])

    async def _do_reasoning(self, step: Step) -> None:
        await self._open({"type": "thinking", "thinking": "", "signature": ""})
        await self._piece(type="thinking_delta", thinking=step["reasoning"])
        await self._piece(type="signature_delta", signature="c2lnbmVk")

    async def _do_tool_call(self, step: Step) -> None:
        call = step["tool_call"]
        self._tool_calls += 1
        identity = call.get("id", f"toolu_{self._record.number}_{self._tool_calls}")
        await self._open({"type": "tool_use", "id": identity, "name": call["name"], "input": {}})
        arguments = call.get("arguments", "{}")
        for piece in ["", *pieces(arguments, step.get("chunked", 1))]:
            await self._piece(type="input_json_delta", partial_json=piece)

    async def _do_comment(self, step: Step) -> None:
        await self._send({"type": "ping"})

    async def _do_finish(self, step: Step) -> None:
        await self._do_stop_reason({"stop_reason": _STOP[step["finish"]]})

    async def _do_stop_reason(self, step: Step) -> None:
        await self._begin()
        await self._close_block()
        delta = {"stop_reason": step["stop_reason"], "stop_sequence": None}
        usage = {"input_tokens": TOKENS_IN, "output_tokens": TOKENS_OUT}
        await self._send({"type": "message_delta", "delta": delta, "usage": usage})

    async def _do_usage(self, step: Step) -> None:
        """Nothing: it came with the stop reason."""

    async def _do_done(self, step: Step) -> None:
        await self._send({"type": "message_stop"})

    async def _do_status(self, step: Step) -> None:
        body = step.get("body") or error_of(_KINDS.get(step["status"], "api_error"))
        await super()._do_status({**step, "body": body})


class FakeMessages(Fake):
    """The server of Anthropic's Messages API."""

    path = "/v1/messages"
    play = MessagePlay

    def refused(self, record: Record) -> list[Step]:
        rule = broken_rule(record.body, record.headers)
        error = error_of("invalid_request_error", rule)
        return [{"status": 400, "body": error}] if rule else []
