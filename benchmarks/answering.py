"""How much waiting the bridge adds to a model's first word, and how many calls one core answers.

Run it with `make bench`. A fake model server and the callers have processes of their own; the
bridge runs as users run it, on one core. Every figure is the bridge's next to a direct request in
the same run, because absolute times on a shared machine mean little.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fake_openai.client import FakeOpenAI, running  # noqa: E402 - needs the path above

TURNS = 100
WARM_UP = 10
TOKENS = [f"word{n} " for n in range(100)]
SAID = "".join(TOKENS)
PORT = 18080
AHEAD_TURNS = 20
AHEAD_GAP = 0.4
"""Seconds between the final partial transcript and the request, where answers are begun ahead."""
AHEAD_DELAY = 0.35
"""Seconds to the model's first token there."""
MODEL_DELAY = 0.2
"""Seconds to the fake model's first token, in the run with many calls."""


@asynccontextmanager
async def bridge(base_url: str) -> AsyncIterator[str]:
    """Run `bridge serve` on one core, in an empty folder with the shipped prompts and tools."""
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", str(PORT)]
    if Path("/usr/bin/taskset").exists():
        command = ["taskset", "-c", "0", *command]
    variables = {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "sk-bench",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_LOG_LEVEL": "warning",
        "BRIDGE_TOOLS_DIR": str(ROOT / "tools"),
        "BRIDGE_PROMPTS_DIR": str(ROOT / "prompts"),
    }
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.DEVNULL
        )
        try:
            await _ready()
            print(f"ready to serve after {time.perf_counter() - began:.2f} s")
            yield f"http://127.0.0.1:{PORT}/millis"
        finally:
            process.terminate()
            process.wait(10)


async def _ready() -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{PORT}/readyz"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


async def direct(base_url: str, http: aiohttp.ClientSession) -> float:
    """Seconds to the first token of a request without a bridge."""
    body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    began = time.perf_counter()
    first = 0.0
    async with http.post(f"{base_url}/chat/completions", json=body) as response:
        async for _ in response.content:
            first = first or time.perf_counter() - began
    return first


async def turn(socket: aiohttp.ClientWebSocketResponse, number: int) -> float:
    """Seconds to the first word of one turn. Fails if the answer is not whole."""
    return await _first_word(socket, number, [{"role": "user", "content": f"turn {number}"}])


async def _first_word(
    socket: aiohttp.ClientWebSocketResponse, number: int, lines: list[dict[str, str]]
) -> float:
    data = {"stream_id": number, "transcript": lines}
    began = time.perf_counter()
    await socket.send_str(json.dumps({"type": "stream_request", "data": data}))
    first, said = 0.0, ""
    while True:
        frame = json.loads((await socket.receive()).data)["data"]
        first = first or time.perf_counter() - began
        said += frame["content"]
        if frame["end_of_stream"]:
            assert said == SAID, f"answer not whole: {len(said)} of {len(SAID)} characters"
            return first


async def one_call(openai: FakeOpenAI, url: str) -> None:
    """Direct requests and turns, one after the other in turn."""
    await openai.script({"steps": _script(0), "times": 10**6})
    direct_times, bridge_times = [], []
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        for number in range(TURNS + WARM_UP):
            direct_times.append(await direct(openai.base_url, http))
            bridge_times.append(await turn(socket, number))
    without = statistics.median(direct_times[WARM_UP:]) * 1000
    through = statistics.median(bridge_times[WARM_UP:]) * 1000
    print(f"first word, one call, median of {TURNS}: {through:.2f} ms through the bridge,")
    print(f"  {without:.2f} ms without: {through - without:.2f} ms added")


async def interrupts(openai: FakeOpenAI, url: str) -> None:
    """How soon the model's request is closed after an interrupt, by the model server's clock."""
    await openai.reset()
    await openai.script({"steps": _script(0, gap=5), "times": 10**6})
    closed = []
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        for number in range(TURNS):
            lines = [{"role": "user", "content": "hi"}]
            data = {"stream_id": number, "transcript": lines}
            await socket.send_str(json.dumps({"type": "stream_request", "data": data}))
            while json.loads((await socket.receive()).data)["data"]["stream_id"] != number:
                pass
            began = time.monotonic()
            await socket.send_str(json.dumps({"type": "interrupt", "stream_id": number}))
            await openai.wait("client_left", number + 1)
            left = (await openai.requests())[-1]["client_left_at"]
            closed.append((left - began) * 1000)
    print(f"interrupt to the model's request closed: {statistics.median(closed):.1f} ms (median")
    print(f"  of {TURNS}), {max(closed):.1f} ms (max)")


async def many_calls(openai: FakeOpenAI, url: str, calls: int) -> None:
    """All at once; every answer must be whole."""
    await openai.reset()
    await openai.script({"steps": _script(MODEL_DELAY * 1000, gap=10), "times": 10**6})

    async def call(http: aiohttp.ClientSession) -> float:
        async with http.ws_connect(url) as socket:
            await ready.wait()
            return await turn(socket, 1)

    ready = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(call(http)) for _ in range(calls)]
        await asyncio.sleep(1)  # until all are connected
        ready.set()
        began = time.perf_counter()
        firsts = sorted(await asyncio.gather(*tasks))
        took = time.perf_counter() - began
    added = [(first - MODEL_DELAY) * 1000 for first in firsts]
    print(f"{calls} calls at once on one core: all answered in full in {took:.2f} s;")
    print(
        f"  first word {statistics.median(added):.0f} ms (median), "
        f"{added[int(len(added) * 0.95)]:.0f} ms (95 %) later than the model's own"
    )


async def thinking_ahead(openai: FakeOpenAI, url: str) -> None:
    """Turns whose answer is begun on a final partial transcript, before the request."""
    await openai.reset()
    await openai.script({"steps": _script(AHEAD_DELAY * 1000, gap=1), "times": 10**6})
    firsts, talk = [], []
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        for number in range(AHEAD_TURNS + 2):
            line = f"this is turn {number}"
            partial = {"session_id": "", "transcript": line, "is_final": True}
            await socket.send_str(json.dumps({"type": "partial_transcript", "data": partial}))
            await asyncio.sleep(AHEAD_GAP)
            talk.append({"role": "user", "content": f"This is turn {number}."})
            firsts.append(await _first_word(socket, number, talk))
            talk.append({"role": "assistant", "content": SAID})
        async with http.get(url.replace("/millis", "/healthz")) as response:
            counts = (await response.json())["thinking_ahead"]
    assert counts["hit"] == AHEAD_TURNS + 2, f"not all were begun ahead: {counts}"
    times = [first * 1000 for first in firsts[2:]]
    print(f"thinking ahead, final partial {AHEAD_GAP * 1000:.0f} ms before the request,")
    print(f"  model {AHEAD_DELAY * 1000:.0f} ms to its first token: first word after the request")
    print(
        f"  {statistics.median(times):.2f} ms (median of {AHEAD_TURNS}), {max(times):.2f} ms (max)"
    )


def _script(delay_ms: float, gap: float = 0) -> list[dict[str, object]]:
    return [
        {"sleep_ms": delay_ms},
        {"tokens": TOKENS, "gap_ms": gap},
        {"finish": "stop"},
        {"done": True},
    ]


async def main() -> None:
    """Run everything once and print what came out."""
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with running() as openai:
        async with bridge(openai.base_url) as url:
            await one_call(openai, url)
            await thinking_ahead(openai, url)
            await interrupts(openai, url)
            for calls in (20, 100, 200):
                await many_calls(openai, url, calls)


if __name__ == "__main__":
    asyncio.run(main())
