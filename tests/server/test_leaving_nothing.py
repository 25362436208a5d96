"""A call that is over is gone: it does not wait for Python's garbage collector."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from tests.wire import bridge_running, came_true, dialled


@pytest.fixture
def by_counting_alone() -> Any:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("by_counting_alone")
@pytest.mark.parametrize("record", ["full", "off"])
async def test_a_finished_call_is_freed_without_the_garbage_collector(
    tmp_path: Path, record: str
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    kept: dict[str, Any] = {"record": record, "database_url": url, "spool_dir": tmp_path / "spool"}
    async with bridge_running(tmp_path, model="demo", **kept) as bridge:
        async with dialled(bridge) as wire:
            await wire.start()
            await wire.answer(0)
            assert await wire.asked(1, "Hello?")
            parts = [weakref.ref(part) for part in _parts(bridge)]
            assert len(parts) == 4
        await came_true(lambda: not bridge.board.live)
        await came_true(lambda: not any(part() for part in parts))


def _parts(bridge: Any) -> list[Any]:
    """The call, its turn, its record, and aiohttp's side of the socket."""
    (call,) = bridge.board.calls.sessions._live.values()
    (outbox,) = bridge.board.live
    record = call._account._record
    return [call, call._turn, getattr(record, "_chapter", record), outbox._socket]
