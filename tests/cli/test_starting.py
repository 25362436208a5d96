import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = {"aiosqlite", "alembic", "asyncpg", "sqlalchemy"}
MODELS = {"anthropic", "langchain_anthropic", "langchain_ollama", "langchain_openai", "openai"}
NEVER = {"langchain_mcp_adapters", "mcp", "numpy", "pandas", "tiktoken", "torch", "transformers"}
VOICE = {"espeakng_loader", "pocketsphinx", "soxr"}
SLOW = {"aiohttp", "jinja2", "langchain_core", "langgraph", "langsmith", "pydantic", "structlog"}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the bridge; what it imports, and when, is told in `folder`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    own = {"PYTHONPATH": ROOT, "BRIDGE_TOOLS_DIR": ROOT / "tools", "BRIDGE_RECORD": "off"}
    with (folder / "told").open("w") as told:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-X", "importtime", "-m", "bridge.cli", *arguments],
            cwd=folder,
            env=plain | {name: str(value) for name, value in own.items()},
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )


def imported(folder: Path) -> Iterator[str]:
    for line in (folder / "told").read_text().splitlines():
        if line.startswith("import time:"):
            yield line.rpartition("|")[2].strip().partition(".")[0]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    process = start(tmp_path, "--help")
    said, _ = process.communicate()

    assert "serve" in said
    found = set(imported(tmp_path))
    assert "typer" in found
    assert found & (SLOW | RECORD | MODELS | NEVER | VOICE) == set()


def test_a_start_imports_only_what_its_settings_ask_for(tmp_path: Path) -> None:
    process = start(tmp_path, "serve", "--port", "0", "--model", "demo")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate()

    assert "is listening" in first
    assert process.returncode == 0
    found = set(imported(tmp_path))
    assert found >= SLOW
    assert found & (RECORD | MODELS | NEVER | VOICE) == set()
