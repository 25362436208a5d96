"""Calls while a flood of connections asks for nothing: `python benchmarks/flood.py [COUNT]`.

The flood comes from a process of its own, as fast as it can; half a request on each connection.
"""

import asyncio
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.wire import Served, dialled, served

HALF = b"GET /millis HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Drip: "
BEFORE = 20


def flood(port: int, count: int) -> None:
    """Connect, and keep as many connections as the system lets one process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wires: list[socket.socket] = []
    began = time.monotonic()
    for _ in range(count):
        wire = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            wire.sendall(HALF)
        except ConnectionError:  # it is cut off already
            wire.close()
            continue
        wires.append(wire)
        if len(wires) > most - 64:
            wires.pop(0).close()
    print(f"flood   {count} connections, {count / (time.monotonic() - began):.0f} a second")


async def called(bridge: Served, number: int) -> tuple[float, float]:
    """Make a call; milliseconds until it stood, and until its greeting had ended."""
    began = time.perf_counter()
    async with dialled(bridge) as millis:
        stood = time.perf_counter() - began
        await millis.start(0, f"flood-{number}")
        assert await millis.answer(0)
        return 1000 * stood, 1000 * (time.perf_counter() - began)


def tell(when: str, calls: list[tuple[float, float]]) -> None:
    """Say how long calls took, in the middle and at most."""
    stood, greeted = (
        f"{statistics.median(times):.0f} ms, at most {max(times):.0f} ms"
        for times in zip(*calls, strict=True)
    )
    print(f"{when:<7} {len(calls)} calls: stood after {stood}; greeted after {greeted}")


def worked(bridge: Served) -> float:
    """Seconds of the processor that the bridge has had."""
    stat = Path(f"/proc/{bridge.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def main(count: int) -> None:
    """Measure calls before the flood, and meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tools", "prompts"):
            (Path(folder) / name).mkdir()
        variables = {"BRIDGE_MODEL": "demo", "BRIDGE_RECORD": "off", "BRIDGE_LOG_LEVEL": "error"}
        async with served(Path(folder), **variables) as bridge:
            tell("before", [await called(bridge, number) for number in range(BEFORE)])
            before = worked(bridge)
            flooding = await asyncio.create_subprocess_exec(
                *(sys.executable, __file__, "--at", str(bridge.port), str(count))
            )
            over = asyncio.create_task(flooding.wait())
            during = []
            while not over.done():
                during.append(await called(bridge, BEFORE + len(during)))
                await asyncio.sleep(0.02)
            assert over.result() == 0
            tell("during", during)
            each = 1e6 * (worked(bridge) - before) / count
            print(f"bridge  {each:.0f} us of the processor for each connection, the calls included")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--at"]:
        flood(int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
