"""Workers do what waits in the folder: at once, a few at a time, and not beyond the end."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.deliveries.delivering import Delivering, Outcome, PutOff
from bridge.store.deliveries.delivery import Delivery
from tests.wire import came_true

KIND = "errand"


class Worker:
    """Does as the script says, then everything."""

    def __init__(self, *script: Outcome | Exception | asyncio.Event) -> None:
        self.script = list(script)
        self.tried: list[str] = []

    async def attempt(self, delivery: Delivery) -> Outcome:
        self.tried.append(delivery.key)
        match self.script.pop(0) if self.script else "done":
            case asyncio.Event() as event:
                await event.wait()
                return "done"
            case Exception() as error:
                raise error
            case outcome:
                return outcome


@pytest.fixture
def deliveries(tmp_path: Path) -> Deliveries:
    return Deliveries(tmp_path, first_pause=0.02, longest_pause=0.05)


Start = Callable[..., Delivering]


@pytest.fixture
def start(deliveries: Deliveries) -> Start:
    def start(worker: Worker, *keys: str, **settings: Any) -> Delivering:
        for key in keys:
            deliveries.put(KIND, key)
        delivering = Delivering(deliveries, KIND, worker.attempt, **settings)
        delivering.start()
        return delivering

    return start


async def test_what_is_due_and_what_comes_later_is_done(
    deliveries: Deliveries, start: Start
) -> None:
    worker = Worker()
    delivering = start(worker, "a")
    await came_true(lambda: worker.tried == ["a"])
    deliveries.put(KIND, "b")
    delivering.wake()
    await came_true(lambda: worker.tried == ["a", "b"])
    await delivering.stop()
    assert deliveries.waiting[KIND] == 0


@pytest.mark.parametrize("bad", ["failed", ValueError("speech")])
async def test_what_fails_in_whatever_way_is_tried_again(start: Start, bad: Any) -> None:
    worker = Worker(bad, bad)
    delivering = start(worker, "a")
    await came_true(lambda: len(worker.tried) == 3)
    await delivering.stop()
    assert delivering.failed == 2


async def test_what_is_hopeless_is_given_up(deliveries: Deliveries, start: Start) -> None:
    worker = Worker("hopeless")
    delivering = start(worker, "a")
    await came_true(lambda: deliveries.given_up[KIND] == 1)
    await delivering.stop()
    assert worker.tried == ["a"]


async def test_who_puts_off_one_leaves_the_others_alone_too(
    deliveries: Deliveries, start: Start
) -> None:
    worker = Worker(PutOff(0.05), PutOff(60), PutOff(60))
    delivering = start(worker, "a", "b", "c", at_once=1)
    await came_true(lambda: len(worker.tried) == 2)
    await delivering.stop()
    assert len(worker.tried) <= 3  # one more at the end
    assert deliveries.waiting[KIND] == 3
    assert delivering.failed == 0


async def test_what_has_begun_may_end_but_nothing_more_begins(
    deliveries: Deliveries, start: Start
) -> None:
    going_on = asyncio.Event()
    worker = Worker(going_on)
    delivering = start(worker, "a", "b", at_once=1, last=0.01, grace=5)
    await came_true(lambda: worker.tried)
    asyncio.get_running_loop().call_later(0.1, going_on.set)
    await delivering.stop()
    assert worker.tried == ["a"]
    assert deliveries.waiting[KIND] == 1


async def test_what_does_not_end_is_cancelled_and_left_to_the_next_process(
    start: Start, tmp_path: Path
) -> None:
    worker = Worker(asyncio.Event())
    delivering = start(worker, "a", last=0.01, grace=0.01)
    await came_true(lambda: worker.tried)
    await delivering.stop()
    left = Deliveries(tmp_path)
    left.look()
    delivery = left.due(KIND, 1e12)
    assert delivery is not None
    assert delivery.attempts == 0
    left.done(delivery)
