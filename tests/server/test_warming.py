"""A connection to the model is there before it is needed: callers would hear the making of one."""

from pathlib import Path

from tests.fake_openai.client import FakeOpenAI
from tests.wire import bridge_running, dialled


async def test_a_call_that_begins_connects_to_the_model(tmp_path: Path, openai: FakeOpenAI) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        await openai.wait("connected", 1)  # at the start
        async with dialled(bridge) as wire:
            await wire.start(None)
            await openai.wait("connected", 2)


async def test_after_an_interrupt_the_next_turn_finds_a_connection(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as wire:
        await wire.start(None)
        await openai.wait("connected", 2)
        await openai.script([{"text": "Long "}, {"stall": True}], {"say": "Short."})
        await wire.ask(1, "Tell me.")
        await wire.next()
        await wire.interrupt(1)
        await openai.wait("connected", 3)
        await wire.ask(2, "Stop. Just tell me.")
        await wire.answer(2)

    first, second = await openai.requests()
    assert second["connection"] == first["connection"] + 1


async def test_a_caller_who_hangs_up_at_once_leaves_nothing_open(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        for _ in range(20):
            async with dialled(bridge) as wire:
                await wire.start(None)
