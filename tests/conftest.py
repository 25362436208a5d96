"""What every test shares: nothing may be left running."""

import asyncio
from collections.abc import AsyncIterator

import pytest


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
