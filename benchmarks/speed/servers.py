"""The servers under measurement: started on one core, held still while others are measured."""

import asyncio
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SYSTEM_PROMPT = "You are the telephone receptionist of Miller's Garage. Keep it short."
CORE = 0
"""The servers share it, one at a time; everything else has the others."""


@dataclass(slots=True)
class Server:
    """One process that answers calls."""

    name: str
    command: list[str]
    port: int
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self, model_url: str) -> None:
        """Start it, and wait until it is ready."""
        self.folder = tempfile.TemporaryDirectory()
        variables = {
            "OPENAI_BASE_URL": model_url,
            "OPENAI_API_KEY": "sk-bench",
            "BENCH_SYSTEM_PROMPT": SYSTEM_PROMPT,
            "PYTHONPATH": str(ROOT),
            "BRIDGE_PRE_DRAIN": "0",
            **self.variables,
        }
        self.process = subprocess.Popen(
            [*pinned(CORE), *self.command, "--port", str(self.port)],
            cwd=self.folder.name,
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        address = f"http://127.0.0.1:{self.port}/readyz"
        for _ in range(1200):
            try:
                with urllib.request.urlopen(address, timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                if self.process is None or self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start")

    def hold(self) -> None:
        """Let it do nothing at all."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder is not None:
            self.folder.cleanup()

    def cpu(self) -> float:
        """Seconds of processor time that all its threads have had."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    async def quiet(self) -> None:
        """Wait until it has nothing left to do, but not for ever."""
        for _ in range(20):
            before = self.cpu()
            await asyncio.sleep(0.5)
            if self.cpu() - before < 0.02:
                return

    def memory(self) -> int:
        """Bytes that only it holds, in memory."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        private = [line.split() for line in lines if line.startswith("Private_")]
        return sum(int(line[1]) * 1024 for line in private)


def pinned(core: int) -> list[str]:
    """What keeps a command on one core, where the machine can."""
    return ["taskset", "-c", str(core)] if Path("/usr/bin/taskset").exists() else []


def floor(port: int) -> Server:
    """The bare relay."""
    return Server("floor", [sys.executable, str(HERE / "floor.py")], port)


def bridge(port: int, tools: Path, *, stock: bool = False) -> Server:
    """The bridge as users run it: the record on, the shipped prompts, these tools.

    `stock`: with LangChain as it comes.
    """
    variables = {
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_LOG_LEVEL": "warning",
        "BRIDGE_FILLER_AFTER": "0",  # a filler is no part of the answer, and stock needs some
        "BRIDGE_TOOLS_DIR": str(tools),
        "BRIDGE_PROMPTS_DIR": str(ROOT / "prompts"),
    }
    how = [str(HERE / "stock.py")] if stock else ["-m", "bridge.cli"]
    name = "stock LangChain" if stock else "bridge"
    return Server(name, [sys.executable, *how, "serve"], port, variables)


def peer(name: str, port: int, *, tools: bool) -> Server:
    """A peer's LLM service, in its own environment (`make bench-peers`)."""
    command = [str(ROOT / f".venv-{name}/bin/python")]
    command.append(str(ROOT / f"benchmarks/peers/{name}_server.py"))
    if tools:
        described = Path(tempfile.gettempdir()) / "bench-tools.json"
        described.write_text(json.dumps(_described(HERE / "tools/ten.py")))
        command += ["--tools", "10", "--tools-file", str(described)]
    return Server(name, command, port)


def _described(file: Path) -> list[dict[str, object]]:
    from langchain_core.utils.function_calling import convert_to_openai_tool  # noqa: PLC0415

    tools = runpy.run_path(str(file))["TOOLS"]
    return [convert_to_openai_tool(tool) for tool in tools]
