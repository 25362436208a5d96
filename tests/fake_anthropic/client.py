"""Starts the fake of Anthropic's API in another process, and controls it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.fake_openai.client import FakeOpenAI


class FakeAnthropic(FakeOpenAI):
    """One fake server. Use `running()`, `async with`, or `start()` and `stop()`."""

    module = "tests.fake_anthropic"

    @property
    def base_url(self) -> str:
        """What `ANTHROPIC_BASE_URL` would be."""
        return self._origin


@contextmanager
def running() -> Iterator[FakeAnthropic]:
    """Run a fake server: the body of a fixture of any scope."""
    fake = FakeAnthropic()
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
