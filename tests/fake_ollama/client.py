"""Starts the fake of Ollama in another process, and controls it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.fake_openai.client import FakeOpenAI


class FakeOllama(FakeOpenAI):
    """One fake server. Use `running()`, `async with`, or `start()` and `stop()`."""

    module = "tests.fake_ollama"

    @property
    def base_url(self) -> str:
        """What `OLLAMA_HOST` would be."""
        return self._origin


@contextmanager
def running() -> Iterator[FakeOllama]:
    """Run a fake server: the body of a fixture of any scope."""
    fake = FakeOllama()
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
