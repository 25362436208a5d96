"""Millis's end of a real socket to a real bridge, for tests of the whole path."""

import asyncio
import os
import signal
import socket
import struct
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import aiohttp
import orjson

from bridge.app import Bridge
from bridge.settings import Settings

PATIENCE = 30.0
"""Seconds a test waits for a frame before it fails: other processes may be busy."""


class Listening(Protocol):
    """What listens on a port of this machine: a bridge, in whatever process, or a proxy."""

    @property
    def port(self) -> int:
        """Which one."""


class Wire:
    """One socket, as Millis holds it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.got: list[dict[str, Any]] = []
        """Every message that has come, in order."""

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self.socket.send_str(text)

    async def start(self, stream_id: object = 0, session: str = "s", **data: object) -> None:
        body = {"stream_id": stream_id, "session_id": session, **data}
        await self.send({"type": "start_call", "data": body})

    async def ask(self, stream_id: object, *said: str) -> None:
        """Ask with a conversation that ends with the caller's line."""
        roles = ("user", "assistant")
        lines = [
            {"role": roles[(len(said) - 1 - i) % 2], "content": text} for i, text in enumerate(said)
        ]
        body = {"stream_id": stream_id, "transcript": lines}
        await self.send({"type": "stream_request", "data": body})

    async def interrupt(self, stream_id: object = None) -> None:
        await self.send({"type": "interrupt", "stream_id": stream_id})

    async def next(self) -> dict[str, Any]:
        """Wait for the next message; its `data`, with the type."""
        async with asyncio.timeout(PATIENCE):
            frame = await self.socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"closed: {frame.type.name} {self.socket.close_code}")
        message = orjson.loads(frame.data)
        data = {"type": message["type"], **message["data"]}
        self.got.append(data)
        return data

    async def answer(self, stream_id: object) -> str:
        """Wait until a stream has ended; what was said on it."""
        while not self.ended(stream_id):
            await self.next()
        return self.said(stream_id)

    async def first_word(self, stream_id: object) -> None:
        while not self.said(stream_id).strip():
            await self.next()

    async def asked(self, stream_id: object, *said: str) -> str:
        await self.ask(stream_id, *said)
        return await self.answer(stream_id)

    async def settled(self) -> None:
        """Wait until the bridge has read all that we sent, taking in what it said meanwhile.

        A ping is answered in order, so no frame of a silenced stream may come after the pong.
        """
        mark = os.urandom(8)
        await self.socket.ping(mark)
        while True:
            async with asyncio.timeout(PATIENCE):
                frame = await self.socket.receive()
            if frame.type is aiohttp.WSMsgType.PONG and frame.data == mark:
                return
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(f"closed: {frame.type.name}")
            message = orjson.loads(frame.data)
            self.got.append({"type": message["type"], **message["data"]})

    async def closed(self) -> int | None:
        """Wait until the bridge has closed the socket; its close code."""
        async with asyncio.timeout(PATIENCE + 10):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code

    def of(self, stream_id: object) -> list[dict[str, Any]]:
        return [message for message in self.got if message["stream_id"] == stream_id]

    def said(self, stream_id: object) -> str:
        return "".join(message.get("content", "") for message in self.of(stream_id))

    def ended(self, stream_id: object) -> bool:
        return any(message.get("end_of_stream") for message in self.of(stream_id))

    def endings(self, stream_id: object) -> int:
        return sum(bool(message.get("end_of_stream")) for message in self.of(stream_id))


@asynccontextmanager
async def dialled(bridge: Listening, path: str = "/millis", **kwargs: Any) -> AsyncIterator[Wire]:
    """Dial a bridge, and hang up at the end."""
    url = f"http://127.0.0.1:{bridge.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, autoping=False, **kwargs) as socket,
    ):
        yield Wire(socket)


class Watch:
    """What can be watched of a call: turns and tools."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def until(self, event: str, **data: object) -> dict[str, Any]:
        """Wait for an event whose data has these values."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = orjson.loads((await self._socket.receive()).data)
                self.events.append(seen)
                if seen["event"] == event and data.items() <= seen["data"].items():
                    found: dict[str, Any] = seen["data"]
                    return found

    async def closed(self) -> int | None:
        """Wait until the bridge has closed the socket; its close code."""
        async with asyncio.timeout(PATIENCE):
            while not self._socket.closed:
                await self._socket.receive()
        return self._socket.close_code


@asynccontextmanager
async def watched(bridge: Bridge, session: str = "s") -> AsyncIterator[Watch]:
    """Watch a call, from before it begins."""
    url = f"http://127.0.0.1:{bridge.port}/watch/{session}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        yield Watch(socket)


@asynccontextmanager
async def bridge_running(
    folder: Path,
    base_url: str = "http://127.0.0.1:9/v1",
    traces: Any = None,
    key: Any = "sk-test",
    **settings: Any,
) -> AsyncIterator[Bridge]:
    """Run a bridge in this process, with its own tools/ and prompts/ below `folder`.

    It keeps no record, and says no fillers: a busy machine is no dead air.
    """
    for name in ("tools", "prompts"):
        (folder / name).mkdir(exist_ok=True)
    variables: Mapping[str, str] = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key}
    with mock.patch.dict(os.environ, variables):
        bridge = Bridge(
            Settings(
                port=0,
                tools_dir=folder / "tools",
                prompts_dir=folder / "prompts",
                **{"model": "openai:fake", "record": "off", "filler_after": 0, **settings},
            ),
            traces=traces,
        )
    async with bridge:
        yield bridge


# ── below WebSocket clients: bytes, to do what no client does ────────────────────────────────────

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def raw_frame(
    payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """One frame as it is on the wire, well-formed or not."""
    size = len(payload)
    length = 127 if size > 0xFFFF else 126 if size > 125 else size
    extended = {126: struct.pack(">H", size & 0xFFFF), 127: struct.pack(">Q", size)}
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | length]) + extended.get(length, b"")
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeros changes nothing


class Raw:
    """One TCP connection with a WebSocket on it, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""
        """What the bridge said to the handshake."""

    def send(self, payload: bytes | str, opcode: int = TEXT, **kwargs: Any) -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        self.writer.write(raw_frame(data, opcode, **kwargs))

    async def next(self) -> tuple[int, bytes]:
        """Wait for the next frame: opcode and payload."""
        async with asyncio.timeout(PATIENCE):
            first, length = await self.reader.readexactly(2)
            if length in {126, 127}:
                wide = await self.reader.readexactly(2 if length == 126 else 8)
                length = int.from_bytes(wide, "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Wait for the bridge's goodbye."""
        while True:
            opcode, payload = await self.next()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    def vanish(self) -> None:
        """Reset the connection, as a machine that is switched off."""
        wire: socket.socket = self.writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def dialled_raw(
    bridge: Listening, *headers: str, path: str = "/millis", window: int | None = None
) -> AsyncIterator[Raw]:
    """Dial by hand. `window`: bytes the kernel takes in for a client that does not read."""
    with socket.socket() as wire:
        if window is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        wire.setblocking(False)
        await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", bridge.port))
        reader, writer = await asyncio.open_connection(sock=wire, limit=1 << 16)
        raw = Raw(reader, writer)
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{bridge.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *headers,
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
        try:
            async with asyncio.timeout(PATIENCE):
                raw.head = (await reader.readuntil(b"\r\n\r\n")).decode()
            yield raw
        finally:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


@dataclass
class Lag:
    """How long the event loop was held at a time."""

    seconds: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max(self.seconds, default=0.0)


def _queued() -> float:
    """Seconds for which this thread waited for a core; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@asynccontextmanager
async def lag_probe(every: float = 0.002) -> AsyncIterator[Lag]:
    """Measure how late the loop wakes a sleeper, meanwhile; other processes are not to blame."""
    lag = Lag()

    async def probe() -> None:
        while True:
            due = time.perf_counter() + every - _queued()
            await asyncio.sleep(every)
            lag.seconds.append(time.perf_counter() - _queued() - due)

    probing = asyncio.create_task(probe(), name="lag probe")
    try:
        yield lag
    finally:
        probing.cancel()
        await asyncio.wait({probing})


# ── a bridge in a process of its own ─────────────────────────────────────────────────────────────

AT_ONCE = {"BRIDGE_PRE_DRAIN": "0"}
"""No load balancer has to notice that it stops."""


@dataclass
class Served:
    """`bridge serve` as a person starts it."""

    process: asyncio.subprocess.Process
    port: int
    welcome: str
    """What it printed until it was ready."""

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int | None, str, str]:
        """Tell it to stop; exit code, and what it had still to say on stdout and stderr."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(PATIENCE + 10):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()


async def run_cli(folder: Path, *args: str, **variables: str) -> asyncio.subprocess.Process:
    """Start a command of `bridge` in `folder`, with no variables that say how, but these."""
    foreign = ("BRIDGE_", "OPENAI_", "OTEL_", "LANGSMITH_", "LANGCHAIN_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.cli", *args),
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[1]), **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def served(folder: Path, **variables: str) -> AsyncIterator[Served]:
    """Run `bridge serve` on a free port until it is ready; stop it at the end."""
    process = await run_cli(folder, "serve", **{"BRIDGE_PORT": "0", **AT_ONCE, **variables})
    assert process.stdout is not None
    try:
        welcome, port = "", 0
        async with asyncio.timeout(PATIENCE + 10):
            while "talk " not in welcome:
                line = (await process.stdout.readline()).decode()
                assert line, f"it did not start: {welcome}"
                welcome += line
                if line.split()[:1] == ["health"]:
                    port = int(line.rpartition("/healthz")[0].rpartition(":")[2])
        yield Served(process, port, welcome)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# ── tools in a call ──────────────────────────────────────────────────────────────────────────────

TOOL_HEAD = """\
import asyncio, time
from pathlib import Path
from langchain.tools import ToolRuntime
from langchain_core.tools import tool
from bridge import CallContext, ToolError
HERE = Path({folder!r})
def note(name, text):
    with (HERE / name).open("a") as file:
        file.write(text + "\\n")
async def file_there(name):
    while not (HERE / name).exists():
        await asyncio.sleep(0.002)
"""


def write_tool(folder: Path, name: str, body: str) -> Path:
    """Save a tool file whose code may `note` something in a file of `folder`, or wait for one."""
    path = folder / "tools" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TOOL_HEAD.format(folder=str(folder)) + textwrap.dedent(body))
    return path


def noted(folder: Path, name: str) -> list[str]:
    """Read what tools have noted."""
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def tool_call(name: str, call_id: str | None = "c1", /, **arguments: object) -> dict[str, Any]:
    """One call of a tool, as a model asks for it."""
    return {"name": name, "id": call_id, "arguments": orjson.dumps(arguments).decode()}


def asking(*calls: dict[str, Any], say: str = "") -> list[dict[str, Any]]:
    """Script a message of the model's that asks for tools."""
    words: list[dict[str, Any]] = [{"text": say}] if say else []
    asked = [{"tool_call": call} for call in calls]
    return [*words, *asked, {"finish": "tool_calls"}, {"done": True}]


def results(request: Mapping[str, Any]) -> dict[str, str]:
    """Find the results of tools in a recorded request, by the id of the call."""
    return {
        message["tool_call_id"]: message["content"]
        for message in request["body"]["messages"]
        if message["role"] == "tool"
    }


async def health(bridge: Listening) -> dict[str, Any]:
    """Ask /healthz."""
    url = f"http://127.0.0.1:{bridge.port}/healthz"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        body: dict[str, Any] = await response.json()
        return body


async def health_when(
    bridge: Listening, true: Callable[[dict[str, Any]], object], timeout: float = PATIENCE
) -> dict[str, Any]:
    """Ask /healthz until something holds of it."""
    async with asyncio.timeout(timeout):
        while True:
            body = await health(bridge)
            if true(body):
                return body
            await asyncio.sleep(0.02)


async def came_true(true: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Wait until something holds that no event tells of."""
    async with asyncio.timeout(timeout):
        while True:
            if true():
                return
            await asyncio.sleep(0.005)
