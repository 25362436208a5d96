"""A call that is over is gone: it does not wait for Python's garbage collector."""

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from bridge.protocol import StartCall
from bridge.server.hall import Connection
from tests.fake_openai.client import FakeOpenAI
from tests.faults.chaos import Chaos
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
            assert len(parts) == 5
        await came_true(lambda: not bridge.board.live)
        await came_true(lambda: not any(part() for part in parts))


@pytest.mark.usefixtures("by_counting_alone")
async def test_nor_does_a_call_whose_connection_was_lost(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with Chaos(bridge.port) as line:
            async with dialled(line) as wire:
                await wire.start()
                assert await wire.asked(1, "Hello?")
                parts = [weakref.ref(part) for part in _parts(bridge)]
                line.reset()
                with pytest.raises(ConnectionError):
                    await wire.next()
        await came_true(lambda: not bridge.board.live)
        await came_true(lambda: not any(part() for part in parts))


FAILURES: dict[str, list[dict[str, Any]]] = {
    "at once": [{"status": 401}],
    "twice": [{"status": 500}],
    "in the midst": [{"text": "Well, "}, {"reset": True}],
    "without an end": [{"text": "Well, "}, {"close": True}],
}


@pytest.mark.usefixtures("by_counting_alone")
@pytest.mark.parametrize("script", FAILURES.values(), ids=FAILURES)
async def test_nor_does_a_turn_whose_model_failed(
    tmp_path: Path, openai: FakeOpenAI, script: list[dict[str, Any]]
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with dialled(bridge) as wire:
            await wire.asked(0, "Hello?")  # a connection to the model knows the turn that opened it
            await openai.script({"steps": script, "times": 2})
            await wire.asked(1, "Who is there?")
            (call,) = bridge.board.calls_live.values()
            assert call._turn is not None
            assert call._turn.entry.failed
            turn = weakref.ref(call._turn)
            del call
            await openai.reset()
            assert await wire.asked(2, "Still there?") == "You said: Still there?"
            await came_true(lambda: turn() is None)


@pytest.mark.usefixtures("by_counting_alone")
async def test_a_call_that_waits_holds_nothing_of_how_it_began(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    kept: dict[str, Any] = {"record": "full", "spool_dir": tmp_path / "spool"}
    kept["database_url"] = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"

    def left() -> list[Any]:
        return [
            each
            for each in gc.get_objects()
            if isinstance(each, StartCall | Connection)
            or (isinstance(each, asyncio.Task) and each.done())
        ]

    before = {id(each) for each in left()}
    async with (
        bridge_running(tmp_path, openai.base_url, **kept) as bridge,
        dialled(bridge) as wire,
    ):
        await wire.start(None)
        await came_true(lambda: bool(bridge.board.calls.sessions._live))
        await came_true(lambda: not [each for each in left() if id(each) not in before])


def _parts(bridge: Any) -> list[Any]:
    """The call, its turn, its record, aiohttp's side of the socket, and asyncio's."""
    (call,) = bridge.board.calls.sessions._live.values()
    (outbox,) = bridge.board.live
    record = call._account._record
    parts = [call, call._turn, getattr(record, "_chapter", record)]
    return [*parts, outbox._socket, outbox._transport]
