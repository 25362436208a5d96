"""Every case of the catalogue, one after the other: `pytest tests/faults -k A23`."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fake_anthropic.client import FakeAnthropic
from tests.fake_anthropic.client import running as running_anthropic
from tests.fake_openai.client import FakeOpenAI
from tests.faults.house import House, house
from tests.faults.oracles import ORACLES, asked
from tests.faults.registry import Case, every_case
from tests.faults.scene import Scene
from tests.faults.trials import FULL

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def no_task_is_left_running() -> None:
    """Leave that to O8: the bridge runs on from case to case."""


@pytest.fixture(scope="module")
def control() -> Iterator[FakeAnthropic]:
    """The model of the control call, which no other test of this process has a script for."""
    with running_anthropic() as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory,
    fake_openai: FakeOpenAI,
    control: FakeAnthropic,
) -> AsyncIterator[House]:
    """The bridge of all cases that need no settings of their own."""
    async with house(tmp_path_factory.mktemp("faults"), fake_openai, control) as running:
        yield running


PLAYED = [case for case in every_case() if FULL or not case.long]


@pytest.mark.parametrize("fault", [pytest.param(case, id=case.name) for case in PLAYED])
async def test_fault(
    fault: Case,
    shared: House,
    tmp_path: Path,
    control: FakeAnthropic,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("fault", [fault.id, len(ORACLES) - len(fault.without)])
    if not (fault.settings or fault.files):
        wrong = await _played(fault, shared)
    else:
        for path, text in fault.files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)
        async with house(tmp_path, shared.openai, control, **fault.settings) as own:
            wrong = await _played(fault, own)
    assert not wrong, "\n".join(wrong)


async def _played(fault: Case, where: House) -> list[str]:
    """Play a case, and ask the oracles; what they find wrong."""
    scene = Scene(where)
    async with scene.playing():
        await fault.play(scene)
    return asked(scene.history, fault.without)
