"""Answers one request as its script says."""

import asyncio
import base64
import socket
import struct
import time
import zlib
from typing import Any

import orjson
from aiohttp import web

from tests.fake_openai.chunks import Completion, Step, pieces
from tests.fake_openai.records import Book, Record

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_STALL = 3600.0


class _Over(Exception):
    """The script has ended the connection itself."""


class Play:
    """One streamed answer while it is given."""

    def __init__(self, request: web.Request, record: Record, book: Book) -> None:
        self._request = request
        self._record = record
        self._book = book
        self._completion = Completion(record.number, str(record.body.get("model")))
        self._response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._gzip: Any = None
        self._introduced = False
        self._tool_calls = 0

    async def run(self, steps: list[Step]) -> web.StreamResponse:
        try:
            for step in steps:
                await self._perform(step)
            await self._start()
            await self._response.write_eof(self._gzip.flush() if self._gzip else b"")
        except _Over:
            pass
        return self._response

    async def _perform(self, step: Step) -> None:
        for key in step:
            act = getattr(self, f"_do_{key}", None)
            if act is not None:
                await act(step)
                return
        raise ValueError(f"unknown step: {step}")

    async def _start(self) -> None:
        if not self._response.prepared:
            await self._response.prepare(self._request)

    async def _write(self, data: bytes) -> None:
        await self._start()
        if self._gzip:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        record = self._record
        record.bytes_sent += len(data)
        await self._response.write(data)

    async def _send(self, payload: Any) -> None:
        self._record.chunks_sent += 1
        self._record.sent_at.append(time.monotonic())
        await self._write(self._framed(payload))
        if self._record.first_chunk_at is None:
            self._record.first_chunk_at = time.monotonic()
            await self._book.note("first_chunk_sent")

    def _framed(self, payload: Any) -> bytes:
        data = payload.encode() if isinstance(payload, str) else orjson.dumps(payload)
        return b"data: " + data + b"\n\n"

    async def _delta(self, delta: dict[str, Any], **keys: Any) -> None:
        if not self._introduced:
            self._introduced = True
            hello = {"role": "assistant", "content": "", "refusal": None}
            await self._send(self._completion.delta(hello))
        await self._send(self._completion.delta(delta, **keys))
        self._record.said += delta.get("content") or ""

    async def _do_text(self, step: Step) -> None:
        keys = {"logprobs": step["logprobs"]} if "logprobs" in step else {}
        await self._delta({"content": step["text"], **step.get("delta", {})}, **keys)

    async def _do_tokens(self, step: Step) -> None:
        begun, gap = asyncio.get_running_loop().time(), step.get("gap_ms", 0) / 1000
        for number, token in enumerate(step["tokens"]):
            await _sleep_until(begun + number * gap)
            await self._delta({"content": token})

    async def _do_sleep_ms(self, step: Step) -> None:
        await self._start()
        await _sleep_until(asyncio.get_running_loop().time() + step["sleep_ms"] / 1000)

    async def _do_tool_call(self, step: Step) -> None:
        call = step["tool_call"]
        index = call.get("index", self._tool_calls)
        self._tool_calls += 1
        first = {
            "index": index,
            "id": call.get("id", f"call_{self._record.number}_{index}"),
            "type": "function",
            "function": {"name": call["name"], "arguments": ""},
        }
        await self._delta({"tool_calls": [first]})
        for piece in pieces(call.get("arguments", "{}"), step.get("chunked", 1)):
            part = {"index": index, "function": {"arguments": piece}}
            await self._delta({"tool_calls": [part]})

    async def _do_reasoning(self, step: Step) -> None:
        await self._delta({"reasoning_content": step["reasoning"]})

    async def _do_data(self, step: Step) -> None:
        await self._send(step["data"])

    async def _do_chunk(self, step: Step) -> None:
        await self._send(self._completion.chunk(**step["chunk"]))

    async def _do_raw(self, step: Step) -> None:
        await self._write(step["raw"].encode())

    async def _do_raw64(self, step: Step) -> None:
        await self._write(base64.b64decode(step["raw64"]))

    async def _do_comment(self, step: Step) -> None:
        await self._write(b": " + step["comment"].encode() + b"\n\n")

    async def _do_finish(self, step: Step) -> None:
        await self._delta({}, finish=step["finish"])

    async def _do_usage(self, step: Step) -> None:
        asked = (self._record.body.get("stream_options") or {}).get("include_usage")
        if asked or step["usage"] is True:
            await self._send(self._completion.usage())

    async def _do_done(self, step: Step) -> None:
        await self._send("[DONE]")
        self._record.done = True

    async def _do_stall(self, step: Step) -> None:
        if step["stall"] != "unanswered":
            await self._start()
        await asyncio.sleep(_STALL)

    async def _do_close(self, step: Step) -> None:
        self._response.force_close()
        await self._start()
        await self._response.write_eof()
        raise _Over

    async def _do_cut(self, step: Step) -> None:
        await self._start()
        if self._request.transport is not None:
            self._request.transport.close()
        raise _Over

    async def _do_reset(self, step: Step) -> None:
        transport = self._request.transport
        if transport is not None:
            wire = transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            transport.abort()
        raise _Over

    async def _do_status(self, step: Step) -> None:
        body = step.get("body", {"error": {"message": "scripted", "type": "fake", "code": None}})
        data = body.encode() if isinstance(body, str) else orjson.dumps(body)
        coding: dict[str, str] = {}
        if step.get("gzip"):
            data = zlib.compress(data, wbits=31)
            coding = {"Content-Encoding": "gzip"}
        headers = {"Content-Type": "application/json", **coding, **step.get("headers", {})}
        self._response = web.Response(status=step["status"], body=data, headers=headers)
        await self._start()
        await self._response.write_eof()
        raise _Over

    async def _do_headers(self, step: Step) -> None:
        self._response.headers.update(step["headers"])

    async def _do_gzip(self, step: Step) -> None:
        self._gzip = zlib.compressobj(wbits=31)
        self._response.headers["Content-Encoding"] = "gzip"

    async def _do_html(self, step: Step) -> None:
        self._response.headers["Content-Type"] = "text/html"
        await self._write(b"<!doctype html>\n<title>Sign in</title>\n<p>Welcome to this network.\n")


async def _sleep_until(time_: float) -> None:
    """Sleep to within a fraction of a millisecond: the poll rounds up, so its last bit is spun."""
    loop = asyncio.get_running_loop()
    if (early := time_ - loop.time() - 0.0011) > 0:
        await asyncio.sleep(early)
    for _ in range(100_000):
        if loop.time() >= time_:
            return
        await asyncio.sleep(0)
