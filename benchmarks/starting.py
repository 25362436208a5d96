"""How long a start takes: until `bridge serve` is ready, and until `bridge --help` is read.

Run it as `python benchmarks/starting.py [STARTS]`. All kinds take turns, on one core, and beside
them starts of Python alone and with the libraries: how far the bridge is from those tells more than
seconds on a shared machine.
"""

import asyncio
import http.client
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import Final

ROOT: Final = Path(__file__).parents[1]
STARTS: Final = 7
LIBRARIES: Final = "import aiohttp, langchain.agents, langchain_openai"
FLOOR: Final = "Python and the libraries"
"""What every other figure is compared with."""
SERVER: Final = "postgresql://root@127.0.0.1:5432"

_PATIENCE: Final = 60.0
"""Seconds that a start may take."""
_ASK_AGAIN: Final = 0.005


def measure(starts: int = STARTS) -> dict[str, list[float]]:
    """Seconds of so many starts of each kind, in the order in which they were made."""
    figures: dict[str, list[float]] = {}
    with _postgresql() as database:
        for _ in range(starts):
            for name, seconds in _round(database):
                figures.setdefault(name, []).append(seconds)
    return figures


def _round(database: str | None) -> Iterator[tuple[str, float]]:
    yield "Python alone", _run("-c", "pass")
    yield FLOOR, _run("-c", LIBRARIES)
    yield "bridge --help", _run("-m", "bridge.cli", "--help")
    with tempfile.TemporaryDirectory() as folder:
        yield "serve, first start (SQLite)", _serve(folder)
        yield "serve, second start (SQLite)", _serve(folder)
    with tempfile.TemporaryDirectory() as folder:
        yield "serve, nothing recorded", _serve(folder, BRIDGE_RECORD="off")
    if database:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_told(f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}"))
            url = f"{SERVER}/{database}"
            yield "serve, first start (PostgreSQL)", _serve(folder, BRIDGE_DATABASE_URL=url)
            yield "serve, second start (PostgreSQL)", _serve(folder, BRIDGE_DATABASE_URL=url)


def _run(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        _command(arguments), env=_variables(), stdout=subprocess.DEVNULL, check=True, cwd=ROOT
    )
    return time.perf_counter() - began


def _serve(folder: str, **more: str) -> float:
    """Seconds until `/readyz` says so."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen(
        _command(["-m", "bridge.cli", "serve", "--port", str(port)]),
        cwd=folder,
        env=_variables() | more,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                raise RuntimeError("bridge serve does not get ready")
            time.sleep(_ASK_AGAIN)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would drain first
        process.wait(10)


def _is_ready(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    with closing(line), suppress(ConnectionError):
        line.request("GET", "/readyz")
        return line.getresponse().status == http.client.OK
    return False


def _command(arguments: Sequence[str]) -> list[str]:
    pinned = ["taskset", "-c", "0"] if which("taskset") else []
    return [*pinned, sys.executable, *arguments]


def _variables() -> dict[str, str]:
    """Nothing of the surroundings' own settings; a model that nobody will ask."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    return plain | {
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": "https://127.0.0.1:9/v1",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_LOG_LEVEL": "warning",
        "BRIDGE_TOOLS_DIR": str(ROOT / "tools"),
        "BRIDGE_PROMPTS_DIR": str(ROOT / "prompts"),
    }


@contextmanager
def _postgresql() -> Iterator[str | None]:
    """A name for a database of our own, if there is a server for it."""
    name = f"bridge_starting_{secrets.token_hex(4)}"
    try:
        asyncio.run(_told(f"CREATE DATABASE {name}"))
    except (ImportError, OSError):
        yield None
        return
    try:
        yield name
    finally:
        asyncio.run(_told(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _told(*statements: str) -> None:
    import asyncpg  # type: ignore[import-untyped] # noqa: PLC0415 - not everybody has it

    line = await asyncpg.connect(f"{SERVER}/postgres", timeout=2)
    try:
        for statement in statements:
            await line.execute(statement)
    finally:
        await line.close()


def main() -> None:
    """Print it all."""
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else STARTS
    figures = measure(starts)
    floor = figures[FLOOR]
    print(f"seconds of {starts} starts, and how many times those of {FLOOR.lower()}:")
    print(f"{'':34}   min  median   max   ratio")
    for name, found in figures.items():
        ratio = statistics.median(a / b for a, b in zip(found, floor, strict=True))
        print(
            f"{name:34} {min(found):5.2f}  {statistics.median(found):6.2f} {max(found):5.2f}"
            f"   {ratio:5.2f}"
        )


if __name__ == "__main__":
    main()
