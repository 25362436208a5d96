"""A fake model server that costs next to nothing: OpenAI's stream from a bare `asyncio.Protocol`.

`python benchmarks/speed/model.py --port 0` serves until its standard input ends, having written
its port. A web framework here would be slower than the floor that is measured against it.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}


class Book:
    """How answers are given now, and when each request was read, answered, ended, left."""

    def __init__(self) -> None:
        self.first_ms = 0.0
        self.gap_ms = 0.0
        self.tool = ""
        """A tool that each first request of a turn is answered with; none if empty."""
        self.script: list[bytes] = []
        self.brief: list[bytes] = []
        """What lines that ask for it, with their last word, are answered with: one word."""
        self.call: list[bytes] = []
        self.times: dict[str, list[dict[str, float]]] = {}
        """Seconds on the machine's monotonic clock, by the last words of the caller."""

    def set(self, said: dict[str, Any]) -> None:
        """Take a new way of answering, and forget what was."""
        self.first_ms, self.gap_ms = said["first_ms"], said["gap_ms"]
        self.tool = said.get("tool", "")
        words = [_delta({"content": word}) for word in said["words"]]
        self.script = [_delta({"role": "assistant", "content": ""}), *words]
        self.script.append(_delta({}, "stop") + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        self.brief = [*self.script[:2], self.script[-1]]
        function = {"name": self.tool, "arguments": "{}"}
        asked = {"index": 0, "id": "call_1", "type": "function", "function": function}
        ending = _delta({}, "tool_calls") + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        self.call = [_delta({"role": "assistant", "tool_calls": [asked]}) + ending]
        self.times = {}

    def open(self, body: bytes) -> tuple[dict[str, float], list[bytes]]:
        """Note a request; say what it is answered with, piece by piece."""
        arrived = time.monotonic()
        messages = orjson.loads(body)["messages"]
        said = next(line["content"] for line in reversed(messages) if line["role"] == "user")
        text = said if isinstance(said, str) else said[0]["text"]
        words = text.rpartition("\n")[2]  # the bridge puts a note before a line, after a cut
        noted = {"read": arrived}
        self.times.setdefault(words, []).append(noted)
        if self.tool and messages[-1]["role"] != "tool":
            return noted, self.call
        return noted, self.brief if words.endswith(" briefly.") else self.script


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, each answered as the book says."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._transport: asyncio.Transport = None  # type: ignore[assignment] - until it is made
        self._next: asyncio.TimerHandle | None = None
        self._noted: dict[str, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        """Stop; an answer that was under way has been left."""
        if self._next is not None:
            self._next.cancel()
        if self._noted is not None:
            self._noted["left"] = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            self._route(head, body)

    def _route(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"post /control"):
            self._book.set(orjson.loads(body))
            self._reply(b"{}")
        elif head.startswith(b"get /control"):
            self._reply(orjson.dumps(self._book.times))
        elif head.startswith(b"post"):
            self._answer(body)
        else:  # a client that opens connections ahead of need
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _reply(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)

    def _answer(self, body: bytes) -> None:
        noted, script = self._book.open(body)
        self._noted = noted
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        due = loop.time() + self._book.first_ms / 1000
        gap, at = self._book.gap_ms / 1000, 0

        def send() -> None:
            nonlocal due, at
            if at == 0:
                noted["first"] = time.monotonic()
                self._transport.write(script[0])  # the role, which no caller hears
                at = 1
            while at < len(script):
                self._transport.write(script[at])
                at, due = at + 1, due + gap
                if gap and at < len(script):
                    self._next = loop.call_at(due, send)
                    return
            noted["last"] = time.monotonic()
            self._noted = None

        self._next = loop.call_at(due, send)


def _delta(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _chunked(b"data: " + orjson.dumps({**CHUNK, "choices": [choice]}) + b"\n\n")


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int, connection: Callable[[], asyncio.Protocol]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", port, backlog=4096)
    gc.freeze()
    gc.disable()  # a pause of the model's would look like one of the bridge's
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    parent_is_gone = asyncio.Event()
    loop.add_reader(sys.stdin, parent_is_gone.set)
    await parent_is_gone.wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    book = Book()
    asyncio.run(_serve(arguments.parse_args().port, lambda: Connection(book)))
