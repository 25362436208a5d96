"""What every test shares: nothing may be left running."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from bridge.logs import configure_logs
from tests.fake_openai.client import FakeOpenAI, running

configure_logs("debug", "json")  # every log line is made; pytest shows those of a failed test


@pytest.fixture(autouse=True)
async def no_task_is_left_running() -> AsyncIterator[None]:
    """Fail a test that leaves an asyncio task behind."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:  # what has just been cancelled needs a moment to end
        _, left = await asyncio.wait(left, timeout=0.5)
    if left:
        pytest.fail(f"still running: {sorted(task.get_name() for task in left)}")


@pytest.fixture(scope="session")
def fake_openai() -> Iterator[FakeOpenAI]:
    """Run one fake OpenAI-compatible server, in a process of its own, for all tests."""
    with running() as fake:
        yield fake


@pytest.fixture
async def openai(fake_openai: FakeOpenAI) -> FakeOpenAI:
    """The fake server, with nothing scripted and nothing recorded."""
    await fake_openai.reset()
    return fake_openai
