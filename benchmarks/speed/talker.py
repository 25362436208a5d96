"""The fake model server, from the outside: in a process of its own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = [f"word{number} " for number in range(100)]
"""What it answers."""


@dataclass(frozen=True, slots=True)
class Model:
    """How it answers, and what it has noted."""

    origin: str

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is to be."""
        return f"{self.origin}/v1"

    def answer(
        self, *, first_ms: float, gap_ms: float, tool: str = "", words: Sequence[str] = WORDS
    ) -> None:
        """Have it answer like this from now on."""
        said = {"first_ms": first_ms, "gap_ms": gap_ms, "tool": tool, "words": words}
        self._ask(json.dumps(said).encode())

    def times(self) -> dict[str, list[dict[str, float]]]:
        """When it read and answered each request since then, by the caller's last words."""
        times: dict[str, list[dict[str, float]]] = self._ask(None)
        return times

    def _ask(self, body: bytes | None) -> Any:
        with urllib.request.urlopen(f"{self.origin}/control", data=body, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def model() -> Iterator[Model]:
    """Start it, and end it."""
    command = [sys.executable, str(Path(__file__).parent / "model.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield Model(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.terminate()
        process.communicate()
